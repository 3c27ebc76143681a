import { isFinished } from '../../core/protocol/job-status.ts';
import type { Engine } from './engine.ts';
import type { EventRow } from '../state/event-log.ts';

/** Proxies close connections that say nothing: a comment this often keeps them open. */
const COMMENT_MS = 15_000;
/** Rows told at a time: a reply's may be 64 KiB, and they are in memory three times over, as rows, text and bytes. */
const BATCH = 64;

const block = ({ id, kind, data, time }: EventRow): string =>
  `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify({ time, ...(JSON.parse(data) as object) })}\n\n`;

/** Tells a reader that events between the last it saw and the oldest kept are gone. */
const gapBlock = (from: number, to: number): string =>
  `id: ${to}\nevent: gap\ndata: ${JSON.stringify({ from, to })}\n\n`;

/**
 * The job's events as a server-sent stream, from behind `last` on. It ends when the job has finished and all is told, or
 * the reader leaves. Nothing is buffered: the reader's pace is the stream's.
 */
export function eventStream({ events, waiting, record }: Engine, last: number): Response {
  let at = last;
  const encoder = new TextEncoder();
  const next = async (): Promise<string | null> => {
    const oldest = events.oldest();
    if (oldest !== null && at + 1 < oldest) {
      const from = at + 1;
      at = oldest - 1;
      return gapBlock(from, at);
    }
    const rows = events.after(at, BATCH);
    const newest = rows.at(-1);
    if (newest) {
      at = newest.id;
      return rows.map(block).join('');
    }
    if (isFinished(record.read().status)) return null;
    return (await waiting.news(COMMENT_MS)) ? '' : ': still here\n\n';
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // A pull must enqueue or close; news without rows (a change that is not an event) just go on.
      for (;;) {
        const text = await next();
        if (text === null) return controller.close();
        if (text !== '') return controller.enqueue(encoder.encode(text));
      }
    },
  });
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
  });
}
