import type { EventKind } from '../../../core/protocol/event.ts';
import type { JobView } from '../../../core/protocol/job-status.ts';

/** A row of the job's event stream. */
export interface JobEvent {
  readonly kind: EventKind;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The server's no. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** Between tries to reach a stream again. */
const PAUSE_MS = 2000;

const get = async (
  path: string,
  token: string,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  // A header takes Latin-1 only, and throws on the rest: such a token is none.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Refused(401, 'This is not a token.');
  const answer = await fetch(path, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal,
  });
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as { readonly detail?: string };
  throw new Refused(answer.status, problem.detail ?? `HTTP ${answer.status}`);
};

/** A job as the admin sees it. Rejects with Refused. */
export const readJob = async (id: string, token: string, signal: AbortSignal): Promise<JobView> => {
  const answer = await get(`/v1/jobs/${encodeURIComponent(id)}`, token, signal);
  return (await answer.json()) as JobView;
};

/** One block of the stream: its id, and the event where it is one and no comment. */
const parse = (block: string): { readonly id?: string; readonly event?: JobEvent } => {
  const fields = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)] as const;
    }),
  );
  const [id, kind, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
  if (id === undefined || kind === undefined || data === undefined) return {};
  const event = { kind: kind as EventKind, fields: JSON.parse(data) as JobEvent['fields'] };
  return { id, event };
};

async function* blocks(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

/**
 * The job's events from the first that is kept, as they come: again from the last one seen where the connection is
 * lost. (EventSource would do, if it could send a token.) Ends with the job; rejects with Refused or the signal's reason.
 */
export const followJob = async (
  id: string,
  token: string,
  onEvent: (event: JobEvent) => void,
  onLost: () => void,
  signal: AbortSignal,
): Promise<void> => {
  let last = '0';
  for (;;) {
    try {
      const path = `/v1/jobs/${encodeURIComponent(id)}/events`;
      const { body } = await get(path, token, signal, { 'last-event-id': last });
      if (!body) return;
      for await (const block of blocks(body)) {
        const seen = parse(block);
        last = seen.id ?? last;
        if (seen.event) onEvent(seen.event);
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Refused && error.status < 500) throw error;
      onLost();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
};
