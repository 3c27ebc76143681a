import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import type { EventRow } from '../state/event-log.ts';
import type { Engine } from './engine.ts';
import { eventStream } from './event-stream.ts';

test('rows as long as a reply may make them come a few MiB at a time, each once', async () => {
  const data = JSON.stringify({ metrics: 'm'.repeat(LIMITS.replyJsonBytes) });
  const kept = 700;
  const engine = {
    events: {
      oldest: () => 1,
      after: (id: number, limit: number): EventRow[] =>
        Array.from({ length: Math.min(limit, kept - id) }, (_, i) => ({
          id: id + i + 1,
          kind: 'reply',
          data,
          time: 0,
        })),
    },
    record: { read: () => ({ status: 'FINISHED:COMPLETED' }) },
  } as unknown as Engine;
  const body = eventStream(engine, 0).body as ReadableStream<Uint8Array>;
  const ids: number[] = [];
  for await (const part of body) {
    expect(part.length).toBeLessThan(8 * MiB);
    const text = new TextDecoder().decode(part);
    ids.push(...Array.from(text.matchAll(/^id: (\d+)$/gm), ([, id]) => Number(id)));
  }
  expect(ids).toEqual(Array.from({ length: kept }, (_, i) => i + 1));
});
