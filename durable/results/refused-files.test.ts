import { expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensor } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
} from '../../tests/workerd/bytes-room.ts';
import { FULL, good, key, model, refusal, withHeader } from '../../tests/workerd/results.ts';

const FL = '"__metadata__":{"fl_model":"{\\"params_type\\":\\"FULL\\"}"}';
const entry = (name: string, shape: string, begin: number, end: number, dtype = 'F32'): string =>
  `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

test.each<[string, () => Uint8Array<ArrayBuffer>, string, string]>([
  ['an empty body', () => new Uint8Array(0), 'TRUNCATED', ''],
  ['a truncated header', () => good().slice(0, 20), 'TRUNCATED', ''],
  ['truncated data', () => good().slice(0, -1), 'TRUNCATED', ''],
  ['a longer body', () => new Uint8Array([...good(), 0]), 'LENGTH_MISMATCH', ''],
  [
    'a header over its limit',
    () => withLength(BigInt(LIMITS.headerBytes) + 1n),
    'HEADER_TOO_LONG',
    '',
  ],
  ['a header beyond 2^53', () => withLength(2n ** 63n), 'HEADER_TOO_LONG', ''],
  ['no JSON', () => withHeader('{"w":'), 'HEADER_MALFORMED', ''],
  [
    'a name twice',
    () => withHeader(`{${FL},${entry('w', '[1]', 0, 4)},${entry('w', '[1]', 4, 8)}}`, 8),
    'DUPLICATE_NAME',
    'w',
  ],
  [
    '__proto__',
    () => withHeader(`{${FL},${entry('__proto__', '[1]', 0, 4)}}`, 4),
    'UNKNOWN_TENSOR',
    '__proto__',
  ],
  [
    'an integer-like name',
    () => withHeader(`{${FL},${entry('1', '[1]', 0, 4)}}`, 4),
    'UNKNOWN_TENSOR',
    '1',
  ],
  [
    'an overlap',
    () => withHeader(`{${FL},${entry('w', '[2,3]', 0, 24)},${entry('b', '[2]', 20, 28)}}`, 28),
    'OVERLAP',
    'b',
  ],
  [
    'a hole',
    () => withHeader(`{${FL},${entry('w', '[2,3]', 0, 24)},${entry('b', '[2]', 28, 36)}}`, 36),
    'HOLE',
    'b',
  ],
  [
    'an offset that is not aligned',
    () => withHeader(`{${FL},${entry('x', '[1]', 0, 1, 'U8')},${entry('w', '[1]', 1, 5)}}`, 5),
    'UNALIGNED',
    'w',
  ],
  [
    'unclaimed bytes',
    () => withHeader(`{${FL},${entry('w', '[2,3]', 0, 24)},${entry('b', '[2]', 24, 32)}}`, 40),
    'LENGTH_MISMATCH',
    '',
  ],
  [
    'an offset beyond 2^53',
    () => withHeader(`{${FL},${entry('w', '[2,3]', 0, 2 ** 53)}}`),
    'HEADER_MALFORMED',
    '',
  ],
  [
    'a shape that does not match',
    () => withHeader(`{${FL},${entry('w', '[2,2]', 0, 24)}}`, 24),
    'BAD_SHAPE',
    'w',
  ],
  [
    'a missing tensor',
    () => resultFile(new Map([['w', model.get('w') as Tensor]]), FULL),
    'MISSING_TENSOR',
    'b',
  ],
  [
    'a wrong dtype',
    () =>
      resultFile(
        new Map<string, Tensor>([
          ['w', { dtype: 'I32', shape: [2, 3], data: new Int32Array(6) }],
          ['b', f32([2], [1, 2])],
        ]),
        FULL,
      ),
    'WRONG_DTYPE',
    'w',
  ],
  [
    'a wrong shape',
    () =>
      resultFile(
        new Map([
          ['w', f32([3, 2], [1, 2, 3, 4, 5, 6])],
          ['b', f32([2], [1, 2])],
        ]),
        FULL,
      ),
    'WRONG_SHAPE',
    'w',
  ],
  ['no tensor', () => resultFile(new Map(), FULL), 'NO_TENSORS', ''],
  [
    'NaN',
    () => resultFile(new Map([...model, ['b', f32([2], [1, NaN])]]), FULL),
    'NON_FINITE',
    'b',
  ],
  [
    'infinity',
    () => resultFile(new Map([...model, ['w', f32([2, 3], [1, 2, 3, -Infinity, 5, 6])]]), FULL),
    'NON_FINITE',
    'w',
  ],
  ['no fl_model', () => encode(model), 'NO_FL_MODEL', '__metadata__.fl_model'],
  [
    'an fl_model that is not JSON',
    () => encode(model, new Map([['fl_model', '{']])),
    'INVALID_RESULT',
    '__metadata__.fl_model',
  ],
  [
    'a bad field',
    () => resultFile(model, { params_type: 'HALF' }),
    'INVALID_RESULT',
    '__metadata__.fl_model.params_type',
  ],
  [
    'a metric that is not finite',
    () => resultFile(model, { metrics: { loss: '1' } }),
    'INVALID_RESULT',
    '__metadata__.fl_model.metrics.loss',
  ],
  [
    'an unknown set',
    () => resultFile(model, { ...FULL, sets: { scaffold: { kind: 'OTHER', prefix: 'c.' } } }),
    'UNKNOWN_SET',
    'sets.scaffold',
  ],
  [
    'too much to say',
    () => resultFile(model, { ...FULL, meta: { x: 'x'.repeat(LIMITS.replyJsonBytes) } }),
    'INVALID_RESULT',
    '__metadata__.fl_model',
  ],
])('%s is refused and leaves nothing', async (_, file, code, path) => {
  await newRoom().use(async (room) => {
    const fault = await refusal(room, put(file()));
    expect(fault).toMatchObject({ reason: 'invalid', code });
    expect(fault.errors?.[0]?.path).toBe(path);
  });
});

/** A body of 40 bytes that says its header has this length. */
const withLength = (length: bigint): Uint8Array<ArrayBuffer> => {
  const file = new Uint8Array(40);
  new DataView(file.buffer).setBigUint64(0, length, true);
  return file;
};

test('without Content-Length, a body too short or too long is still refused', async () => {
  const chunked = (file: Uint8Array) => new Response(file).body as ReadableStream;
  for (const [file, code] of [
    [good().slice(0, -1), 'TRUNCATED'],
    [new Uint8Array([...good(), 0]), 'LENGTH_MISMATCH'],
  ] as const) {
    await newRoom().use(async (room) => {
      expect(await refusal(room, put(chunked(file)))).toMatchObject({ code });
    });
  }
});

/** A file whose header is padded with spaces to so many bytes. */
const padded = (bytes: number): Uint8Array<ArrayBuffer> => {
  const json = `{${FL},${entry('w', '[2,3]', 0, 24)},${entry('b', '[2]', 24, 32)}}`;
  return withHeader(json.padEnd(bytes));
};

/** A file of so many tensors without elements. */
const manyTensors = (count: number): Uint8Array<ArrayBuffer> =>
  withHeader(
    `{${FL},${Array.from({ length: count }, (_, i) => entry(`t${i}`, '[0]', 0, 0)).join(',')}}`,
    0,
  );

test('a header, its number of tensors and the JSON in it at their limits, and one over', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const send = (file: Uint8Array<ArrayBuffer>, layoutOf: string | null) =>
      room.results.receive(put(file), key, ruleFor(layoutOf));
    const says = (bytes: number) => {
      const rest = JSON.stringify({ ...FULL, meta: { x: '' } }).length;
      return resultFile(model, { ...FULL, meta: { x: 'x'.repeat(bytes - rest) } });
    };
    expect(await send(padded(LIMITS.headerBytes), null)).toMatchObject({ ok: true });
    expect(await send(padded(LIMITS.headerBytes + 1), null)).toMatchObject({
      error: { code: 'HEADER_TOO_LONG' },
    });
    expect(await send(manyTensors(LIMITS.tensors), null)).toMatchObject({ ok: true });
    expect(await send(manyTensors(LIMITS.tensors + 1), null)).toMatchObject({
      error: { code: 'TOO_MANY_TENSORS' },
    });
    expect(await send(says(LIMITS.replyJsonBytes), digest)).toMatchObject({ ok: true });
    expect(await send(says(LIMITS.replyJsonBytes + 1), digest)).toMatchObject({
      error: { code: 'INVALID_RESULT' },
    });
  });
});

test("a header may be as long as the model's tensors and an FLModel need, and little more", async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const send = (bytes: number) => room.results.receive(put(padded(bytes)), key, ruleFor(digest));
    expect(await send(2 * LIMITS.replyJsonBytes)).toMatchObject({ ok: true });
    expect(await send(3 * LIMITS.replyJsonBytes)).toMatchObject({
      error: { code: 'HEADER_TOO_LONG' },
    });
  });
});
