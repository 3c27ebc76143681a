import { expect, test } from 'vitest';
import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { encodeHeader } from '../../core/tensors/header.ts';
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
import type { Room } from '../../tests/workerd/bytes-room.ts';

const key = { task: 't', site: 'a' };
const model = new Map<string, Tensor>([
  ['w', f32([2, 3], [1, 2, 3, 4, 5, 6])],
  ['b', f32([2], [7, 8])],
]);
const FULL = { params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: 3 } };
const good = () => resultFile(model, FULL);

/** Bytes of a file whose header is this text. */
const withHeader = (json: string, data = 32): Uint8Array<ArrayBuffer> => {
  const text = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + text.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
};
const FL = '"__metadata__":{"fl_model":"{\\"params_type\\":\\"FULL\\"}"}';
const entry = (name: string, shape: string, begin: number, end: number, dtype = 'F32'): string =>
  `"${name}":{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

/** Nothing of any upload is left. */
const expectEmpty = ({ rows, storage }: Room, besides: number): void => {
  while (rows.sweep());
  expect(storage.sql.exec('SELECT * FROM uploads').toArray()).toEqual([]);
  expect(rows.held()).toBe(besides);
};

const refusal = async (room: Room, request: Request, rule: Parameters<typeof ruleFor>[1] = {}) => {
  const digest = await importTensors(room, model);
  const held = room.rows.held();
  const received = await room.results.receive(request, key, ruleFor(digest, rule));
  expectEmpty(room, held);
  if (received.ok) throw new Error(`accepted: ${JSON.stringify(received.value)}`);
  return received.error as Fault & { code?: string; errors?: { path: string; got: string }[] };
};

test('a good result is staged, read back and committed', async () => {
  await newRoom().use(async (room) => {
    const { results } = room;
    const digest = await importTensors(room, model);
    const file = good();
    const received = await results.receive(put(file), key, ruleFor(digest));
    expect(received).toMatchObject({
      ok: true,
      value: { kind: 'staged', header: FULL, bytes: file.length, digest: null },
    });
    const { upload } = (received as { value: { upload: string } }).value;
    results.commit(upload, 't', 'a');
    results.clearDead();
    expect(results.layout(upload).byName.get('b')).toMatchObject({ begin: 24, end: 32 });
    expect([...new Float32Array(results.read(upload, 24, 8).slice().buffer)]).toEqual([7, 8]);
    expect(() => results.commit(upload, 't', 'b')).toThrow(RangeError);
  });
});

test('tensors in another order keep a layout of their own', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const turned = new Map([...model].reverse());
    const received = await room.results.receive(
      put(resultFile(turned, FULL)),
      key,
      ruleFor(digest),
    );
    const { upload } = (received as { value: { upload: string } }).value;
    expect(room.results.layout(upload).entries.map(({ name, begin }) => [name, begin])).toEqual([
      ['b', 0],
      ['w', 8],
    ]);
  });
});

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

test('NaN is named by tensor and element, in whatever row', async () => {
  const size = 3 * MiB;
  const big = new Map([
    ['first', f32([5], [1, 2, 3, 4, 5])],
    ['second', f32([size / 4], new Float32Array(size / 4))],
  ]);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const at = 700_001; // in the third row
    const bad = f32([size / 4], new Float32Array(size / 4));
    bad.data[at] = NaN;
    const file = resultFile(new Map([...big, ['second', bad]]), FULL);
    const received = await room.results.receive(put(file), key, ruleFor(digest));
    expect(received).toMatchObject({
      error: {
        code: 'NON_FINITE',
        errors: [{ path: 'second', got: `NaN or infinity at element ${at}` }],
      },
    });
  });
});

test('media type before size before content', async () => {
  const bad = withHeader('{');
  const rule = { maxBytes: bad.length - 1 };
  for (const [headers, reason] of [
    [{ 'content-type': 'text/plain' }, 'unsupported-media-type'],
    [{ 'content-encoding': 'gzip' }, 'unsupported-media-type'],
    [{}, 'too-large'],
  ] as const) {
    await newRoom().use(async (room) => {
      expect(await refusal(room, put(bad, headers), rule)).toMatchObject({ reason });
    });
  }
});

test('a body at the size limit is taken, one byte over is not', async () => {
  const file = good();
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const at = (maxBytes: number) =>
      room.results.receive(put(file), key, ruleFor(digest, { maxBytes }));
    expect(await at(file.length)).toMatchObject({ ok: true });
    expect(await at(file.length - 1)).toMatchObject({
      error: { reason: 'too-large', limit: file.length - 1, got: file.length },
    });
  });
});

test('params_type must be the one that the task asks for', async () => {
  await newRoom().use(async (room) => {
    const fault = await refusal(room, put(good()), { paramsType: 'DIFF' });
    expect(fault).toMatchObject({
      code: 'WRONG_PARAMS_TYPE',
      errors: [{ path: 'params_type', expected: 'DIFF', got: 'FULL' }],
    });
  });
});

test('params_type is FULL where it is not given', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const received = await room.results.receive(put(resultFile(model, {})), key, ruleFor(digest));
    expect(received).toMatchObject({ value: { header: { params_type: 'FULL' } } });
  });
});

test('metrics come as JSON; tensors are refused there, and needed elsewhere', async () => {
  const json = (value: unknown) =>
    put(JSON.stringify(value), { 'content-type': 'application/json; charset=utf-8' });
  await newRoom().use(async (room) => {
    const metrics = { metrics: { accuracy: { sum: 3, count: 4 } } };
    const forbidden = ruleFor(null, { tensors: 'forbidden' });
    expect(await room.results.receive(json(metrics), key, forbidden)).toMatchObject({
      value: { kind: 'staged', upload: null, header: metrics },
    });
    expect(await room.results.receive(put(good()), key, forbidden)).toMatchObject({
      error: { code: 'UNEXPECTED_TENSORS' },
    });
    expect(await refusal(room, json(metrics))).toMatchObject({ code: 'NO_TENSORS' });
    expect(
      await refusal(room, put('{"metrics":', { 'content-type': 'application/json' })),
    ).toMatchObject({ reason: 'malformed' });
    const most = { meta: { x: 'x'.repeat(LIMITS.replyJsonBytes) } };
    expect(await refusal(room, json(most))).toMatchObject({
      reason: 'too-large',
      limit: LIMITS.replyJsonBytes,
    });
  });
});

test('a failure needs no tensors, and those it brings are dropped unread', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const held = room.rows.held();
    const failure = { return_code: 'EXECUTION_EXCEPTION' };
    const nan = new Map([['x', f32([1], [NaN])]]);
    for (const request of [
      put(JSON.stringify(failure), { 'content-type': 'application/json' }),
      put(resultFile(nan, failure)),
    ]) {
      expect(await room.results.receive(request, key, ruleFor(digest))).toMatchObject({
        value: { kind: 'staged', upload: null, header: failure },
      });
    }
    expectEmpty(room, held);
  });
});

test('partial results may leave tensors out, but not bring others', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const only = new Map([['b', model.get('b') as Tensor]]);
    const rule = ruleFor(digest, { partial: true });
    expect(await room.results.receive(put(resultFile(only, FULL)), key, rule)).toMatchObject({
      ok: true,
    });
    const more = new Map([...only, ['c', f32([1], [1])]]);
    expect(await room.results.receive(put(resultFile(more, FULL)), key, rule)).toMatchObject({
      error: { code: 'UNKNOWN_TENSOR' },
    });
  });
});

test('Repr-Digest of a whole body is checked', async () => {
  await newRoom().use(async (room) => {
    const wrong = `sha-256=:${btoa('x'.repeat(32))}:`;
    expect(await refusal(room, put(good(), { 'repr-digest': wrong }))).toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});

test('a refused body is read to its end', async () => {
  await newRoom().use(async (room) => {
    const { readable, writable } = new FixedLengthStream(3 * MiB);
    const writer = writable.getWriter();
    let written = 0;
    const sending = (async () => {
      for (; written < 3 * MiB; written += MiB) await writer.write(new Uint8Array(MiB));
      await writer.close();
    })();
    expect(await refusal(room, put(readable, { 'content-type': 'text/plain' }))).toMatchObject({
      reason: 'unsupported-media-type',
    });
    await sending;
    expect(written).toBe(3 * MiB);
  });
});

test('an aborted upload leaves nothing and does not touch another under way', async () => {
  const size = 4 * MiB;
  const big = new Map([['w', f32([size / 4], new Float32Array(size / 4).fill(1))]]);
  const file = resultFile(big, FULL);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const held = room.rows.held();
    const send = () => {
      const { readable, writable } = new FixedLengthStream(file.length);
      const received = room.results.receive(put(readable), key, ruleFor(digest));
      return { writer: writable.getWriter(), received };
    };
    const [lost, kept] = [send(), send()];
    for (const { writer } of [lost, kept]) await writer.write(file.slice(0, 2.5 * MiB));
    await lost.writer.abort(new Error('gone'));
    expect(await lost.received).toMatchObject({ error: { reason: 'incomplete' } });
    await kept.writer.write(file.slice(2.5 * MiB));
    await kept.writer.close();
    const received = await kept.received;
    expect(received).toMatchObject({ value: { kind: 'staged' } });
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(held + size);
  });
});

test('two bodies for one task and site: the commit decides, and the loser goes', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const held = room.rows.held();
    const bodies = [1, 2].map((x) =>
      resultFile(new Map([...model, ['b', f32([2], [x, x])]]), FULL),
    );
    const received = await Promise.all(
      bodies.map((body) => room.results.receive(put(body), key, ruleFor(digest))),
    );
    const [first = '', second = ''] = received.map(
      (r) => (r as { value: { upload: string } }).value.upload,
    );
    expect(first).not.toBe(second);
    room.results.commit(second, 't', 'a');
    room.results.drop(first);
    while (room.results.sweep());
    expect(room.rows.held()).toBe(held + 32);
    expect(new Float32Array(room.results.read(second, 24, 4).slice().buffer)[0]).toBe(2);
    room.results.release('t');
    expectEmpty(room, held);
  });
});

test('an upload whose task is released meanwhile is over and leaves nothing', async () => {
  const size = 2 * MiB;
  const big = new Map([['w', f32([size / 4], new Float32Array(size / 4))]]);
  const file = resultFile(big, FULL);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const held = room.rows.held();
    const { readable, writable } = new FixedLengthStream(file.length);
    const received = room.results.receive(put(readable), key, ruleFor(digest));
    const writer = writable.getWriter();
    await writer.write(file.slice(0, MiB + 5000));
    room.results.release('t');
    await writer.write(file.slice(MiB + 5000));
    await writer.close();
    expect(await received).toEqual({ ok: true, value: { kind: 'over' } });
    expectEmpty(room, held);
  });
});

test('what was not committed is dead after an eviction', async () => {
  const room = newRoom();
  const { first, second } = await room.use(async (now) => {
    const digest = await importTensors(now, model);
    const all: string[] = [];
    for (const site of ['a', 'b']) {
      const received = await now.results.receive(put(good()), { task: 't', site }, ruleFor(digest));
      all.push((received as { value: { upload: string } }).value.upload);
    }
    const [first = '', second = ''] = all;
    now.results.commit(first, 't', 'a');
    return { first, second };
  });
  await room.evict();
  await room.use(({ results, rows }) => {
    results.clearDead();
    while (rows.sweep());
    expect(results.read(first, 0, 4).length).toBe(4);
    expect(() => results.read(second, 0, 4)).toThrow(RangeError);
    expect(() => results.layout(second)).toThrow(RangeError);
  });
});

test('a full job refuses before it stages', async () => {
  const file = good();
  const modelBytes = encode(model).length;
  for (const [capacity, accepted] of [
    [modelBytes + 32, true],
    [modelBytes + 31, false],
  ] as const) {
    await newRoom({ capacity }).use(async (room) => {
      const digest = await importTensors(room, model);
      const received = await room.results.receive(put(file), key, ruleFor(digest));
      expect(received).toMatchObject(
        accepted ? { ok: true } : { error: { reason: 'storage-full' } },
      );
    });
  }
});

test('tensors without elements and scalars are tensors', async () => {
  const odd = new Map([
    ['empty', f32([0, 4], [])],
    ['scalar', f32([], [1.5])],
    ['last', f32([0], [])],
  ]);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, odd);
    expect(
      await room.results.receive(put(resultFile(odd, FULL)), key, ruleFor(digest)),
    ).toMatchObject({ ok: true });
    const none = new Map([['empty', f32([0, 4], [])]]);
    const empty = await importTensors(room, none);
    const received = await room.results.receive(put(resultFile(none, FULL)), key, ruleFor(empty));
    expect(received).toMatchObject({ value: { kind: 'staged' } });
    expect(encodeHeader([]).length % 8).toBe(0);
  });
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

/** Uploads of these files that have sent all but their last byte. */
const underWay = async (
  room: Room,
  digest: string,
  files: readonly Uint8Array<ArrayBuffer>[],
  site?: string,
) => {
  const all = files.map((file, i) => {
    const { readable, writable } = new FixedLengthStream(file.length);
    const of = { task: 't', site: site ?? `s${i}` };
    const received = room.results.receive(
      put(readable),
      of,
      ruleFor(digest, { maxBytes: 2 ** 30 }),
    );
    const writer = writable.getWriter();
    const state = { taken: false };
    const sending = writer.write(file.slice(0, -1)).then(() => (state.taken = true));
    const finish = async (): Promise<void> => {
      await sending;
      await writer.write(file.slice(-1));
      await writer.close();
    };
    return { received, finish, state };
  });
  await scheduler.wait(200);
  return all;
};

test('uploads at once hold at most LIMITS.uploadBufferBytes; more wait their turn', async () => {
  const big = new Map([['w', f32([MiB / 4], new Float32Array(MiB / 4))]]);
  const file = resultFile(big, FULL);
  // Each holds a row; the next needs one and some more, for its header.
  const most = LIMITS.uploadBufferBytes / LIMITS.rowBytes - 1;
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const all = await underWay(
      room,
      digest,
      Array.from({ length: most + 3 }, () => file),
    );
    const taken = () => all.filter(({ state }) => state.taken).length;
    expect(taken()).toBe(most);
    await all[0]?.finish();
    await scheduler.wait(100);
    expect(taken()).toBe(most + 1);
    for (const { finish } of all.slice(1)) await finish();
    for (const { received } of all)
      expect(await received).toMatchObject({ value: { kind: 'staged' } });
  });
});

test('of more uploads of one result than LIMITS.uploadsPerResult, the oldest ends', async () => {
  const file = good();
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const files = Array.from({ length: LIMITS.uploadsPerResult + 1 }, () => file);
    const [oldest, ...others] = await underWay(room, digest, files, 'a');
    await oldest?.finish();
    expect(await oldest?.received).toMatchObject({ error: { reason: 'unavailable' } });
    for (const { finish, received } of others) {
      await finish();
      expect(await received).toMatchObject({ value: { kind: 'staged' } });
    }
  });
});

test('an upload under way is over when another of the same result is committed', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const [slow] = await underWay(room, digest, [good()], 'a');
    const quick = await room.results.receive(put(good()), key, ruleFor(digest));
    room.results.commit((quick as { value: { upload: string } }).value.upload, 't', 'a');
    await slow?.finish();
    expect(await slow?.received).toEqual({ ok: true, value: { kind: 'over' } });
  });
});
