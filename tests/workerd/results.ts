import { expect } from 'vitest';
import type { Fault } from '../../core/protocol/fault.ts';
import type { Tensor } from '../../core/tensors/tensor.ts';
import { f32, importTensors, resultFile, ruleFor } from './bytes-room.ts';
import type { Room } from './bytes-room.ts';

/** Whose result the tests send. */
export const key = { task: 't', site: 'a' };
export const model = new Map<string, Tensor>([
  ['w', f32([2, 3], [1, 2, 3, 4, 5, 6])],
  ['b', f32([2], [7, 8])],
]);
export const FULL = { params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: 3 } };
export const good = () => resultFile(model, FULL);

/** Nothing of any upload is left. */
export const expectEmpty = ({ rows, storage }: Room, besides: number): void => {
  while (rows.sweep());
  expect(storage.sql.exec('SELECT * FROM uploads').toArray()).toEqual([]);
  expect(rows.held()).toBe(besides);
};

/** The fault of a result that is refused and leaves nothing. */
export const refusal = async (
  room: Room,
  request: Request,
  rule: Parameters<typeof ruleFor>[1] = {},
) => {
  const digest = await importTensors(room, model);
  const held = room.rows.held();
  const received = await room.results.receive(request, key, ruleFor(digest, rule));
  expectEmpty(room, held);
  if (received.ok) throw new Error(`accepted: ${JSON.stringify(received.value)}`);
  return received.error as Fault & { code?: string; errors?: { path: string; got: string }[] };
};

/** Bytes of a file whose header is this text. */
export const withHeader = (json: string, data = 32): Uint8Array<ArrayBuffer> => {
  const text = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + text.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
};
