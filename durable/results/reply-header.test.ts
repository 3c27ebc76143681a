import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { encodeHeader } from '../../core/tensors/header.ts';
import type { Tensor } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
} from '../../tests/workerd/bytes-room.ts';
import { FULL, expectEmpty, good, key, model, refusal } from '../../tests/workerd/results.ts';

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
