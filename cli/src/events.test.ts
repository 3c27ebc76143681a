import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseEvents } from './events.ts';
import type { ServerEvent } from './events.ts';

const read = async (parts: Iterable<Uint8Array>): Promise<ServerEvent[]> => {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of parseEvents(stream)) found.push(event);
  return found;
};

// The examples of WHATWG HTML 9.2.6, with an id and an event name.
const STREAM =
  ': keep\n\nid: 7\nevent: round\ndata: first\ndata:second\n\r\ndata\n\ndata:  two spaces é\u2028é\r\n\r\nid: 9\nunknown: x\n\n';
const EVENTS: ServerEvent[] = [
  { id: '7', event: 'round', data: 'first\nsecond' },
  { id: '7', event: 'message', data: '' },
  { id: '7', event: 'message', data: ' two spaces é\u2028é' },
];

test('events are read whatever the pieces they come in', async () => {
  const bytes = new TextEncoder().encode(STREAM);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length)), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const parts = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      expect(await read(parts)).toEqual(EVENTS);
    }),
  );
});
