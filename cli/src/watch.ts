import { backoffMS, pause } from '../../client-kit/src/backoff.ts';
import { ProblemError } from '../../client-kit/src/problem-error.ts';
import { isFinished } from '../../core/protocol/job-status.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { pathOf } from '../../core/protocol/http.ts';
import { parseEvents } from './events.ts';
import type { ServerEvent } from './events.ts';
import type { ServerApi } from './server-api.ts';

/** What a watcher hears: rows of the job's event stream where that works, else new states of the job. */
export interface Watcher {
  readonly onEvent: (event: ServerEvent) => void;
  readonly onView: (view: JobView) => void;
  readonly onTrouble: (problem: string) => void;
}

/** The server's comment every 15 s keeps the stream alive; longer silence means it is gone. */
const SILENCE_MS = 40_000;

/** The event stream, again and again from the last event seen; returns where the server has no stream to give. */
const follow = async (
  api: ServerApi,
  id: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> => {
  let last = '';
  const read = async (answer: Response, alive: () => void): Promise<void> => {
    const heard = async function* (body: ReadableStream<Uint8Array>) {
      for await (const part of body) {
        alive();
        yield part;
      }
    };
    if (!answer.body) return;
    for await (const event of parseEvents(heard(answer.body))) {
      if (event.id) last = event.id;
      watcher.onEvent(event);
    }
  };
  for (let failures = 0; !signal.aborted; failures++) {
    const headers = { accept: 'text/event-stream', ...(last && { 'last-event-id': last }) };
    const options = { headers, signal, timeoutMS: SILENCE_MS, attempts: 1 };
    const before = last;
    try {
      await api.connection.send('GET', pathOf('getEvents', { id }), options, read);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ProblemError && error.status < 500) {
        watcher.onTrouble(`no event stream (${error.message}); asking instead`);
        return;
      }
    }
    if (last !== before) failures = 0;
    await pause(backoffMS(failures, Math.random), signal).catch(() => undefined);
  }
};

/**
 * Watches a job until it is finished and gives its last state. Two things run side by side: the event stream (for live
 * progress, resumed by Last-Event-ID) and a long poll of the job itself (which decides when it is finished, and takes
 * the stream's place where there is none). Rejects with the signal's reason, or ProblemError where the job is unknown.
 */
export const watchJob = async (
  api: ServerApi,
  id: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<JobView> => {
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  let streaming = true;
  const stream = follow(api, id, watcher, both).finally(() => (streaming = false));
  try {
    let view = await api.call('getJob', { id });
    watcher.onView(view);
    while (!isFinished(view.status)) {
      const next = await api.call('getJob', { id, query: { since: view.version, wait: 25 } });
      if (next.version !== view.version && !streaming) watcher.onView(next);
      view = next;
    }
    return view;
  } finally {
    // Rows written in the last turn are on their way: give the stream a moment to bring them.
    await Promise.race([stream, new Promise((resolve) => setTimeout(resolve, 200))]);
    end.abort();
    await stream;
  }
};
