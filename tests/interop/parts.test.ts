import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, floats, vectors } from './raw-file.ts';
import { expectProblem, resultOf, Rig } from './rig.ts';
import type { SiteOf, Task } from './rig.ts';

// Large bodies come in parts, which a device sends on where it, or the server, stopped.

const MiB = 1024 * 1024;
const LENGTH = 900_000;
const filled = (value: number): { w: number[] } => ({
  w: Array.from({ length: LENGTH }, () => value),
});
const model = filled(0);

type Bytes = Uint8Array<ArrayBuffer>;

let rig: Rig;
let site: SiteOf;

beforeAll(async () => {
  rig = await Rig.start();
  site = await rig.enrol();
});
afterAll(() => rig.stop());

const reprDigest = (bytes: Bytes): string =>
  `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;

/** Sends bytes from..to of a whole; `from` null asks how much is there. */
const send = (task: Task, whole: Bytes, from: number | null, to = whole.length) =>
  rig.send(task, site, from === null ? new Uint8Array() : whole.subarray(from, to), {
    'repr-digest': reprDigest(whole),
    'content-range':
      from === null ? `bytes */${whole.length}` : `bytes ${from}-${to - 1}/${whole.length}`,
  });

test('a result in parts outlives a killed server, and goes on where it stopped', async () => {
  const { job, tasks } = await rig.openTask([site], { model });
  const task = tasks[0]!;
  const whole = resultOf(filled(3));
  const other = resultOf(filled(4));
  expect((await send(task, whole, null)).json).toEqual({ status: 'partial', received: 0 });
  const first = await send(task, whole, 0, MiB);
  expect([first.status, first.json]).toEqual([202, { status: 'partial', received: MiB }]);
  await send(task, other, 0, MiB);
  await rig.restart();
  expect((await send(task, whole, null)).json).toEqual({ status: 'partial', received: MiB });
  const hole = await send(task, whole, 2 * MiB, 3 * MiB);
  expectProblem(hole, { status: 416, code: 'RANGE_NOT_SATISFIABLE' });
  expect((await send(task, whole, MiB, 2 * MiB)).json).toEqual({
    status: 'partial',
    received: 2 * MiB,
  });
  expect(await rig.view(job)).toMatchObject({ status: 'RUNNING', task: { received: 0 } });
  const last = await send(task, whole, 2 * MiB);
  expect([last.status, last.json]).toEqual([200, { status: 'accepted' }]);
  expect((await send(task, other, MiB)).json, 'the other body lost').toEqual({
    status: 'duplicate',
  });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  const data = (await rig.model(job)).subarray(-LENGTH * 4);
  expect(digestOf(data)).toBe(digestOf(floats(filled(3).w)));
});

test('parts that are not the whole they name', async () => {
  const { job, tasks } = await rig.openTask([site], { model });
  const task = tasks[0]!;
  const whole = resultOf(filled(5));
  const liar = resultOf(filled(6));
  const headers = {
    'repr-digest': reprDigest(whole),
    'content-range': `bytes 0-${liar.length - 1}/${liar.length}`,
  };
  expectProblem(await rig.send(task, site, liar, headers), {
    status: 422,
    code: 'DIGEST_MISMATCH',
  });
  for (const range of [
    'bytes 5-1/10',
    'bytes 0-9/5',
    'pages 1-2/3',
    'bytes 0-9/*',
    'bytes 512-1023/4096',
  ]) {
    const { status } = await rig.send(task, site, whole, { ...headers, 'content-range': range });
    expect([400, 416, 422], range).toContain(status);
  }
  expect(await rig.view(job)).toMatchObject({ status: 'RUNNING', task: { received: 0 } });
  expect((await rig.send(task, site, whole)).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
});

test('a blob in parts', async () => {
  const bytes = vectors(filled(Math.random()));
  const path = `/v1/blobs/${digestOf(bytes)}`;
  const put = (from: number, to: number) =>
    rig.admin<{ received: number }>('PUT', path, {
      body: bytes.subarray(from, to),
      headers: { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` },
    });
  expect((await put(0, MiB)).status).toBe(202);
  await rig.restart();
  expectProblem(await rig.admin('GET', path), { status: 404 });
  expect((await put(MiB, 3 * MiB)).json).toMatchObject({ received: 3 * MiB });
  expect((await put(3 * MiB, bytes.length)).status).toBe(201);
  const whole = await rig.admin('GET', path);
  expect(digestOf(whole.bytes)).toBe(digestOf(bytes));
  const part = await rig.admin('GET', path, { headers: { range: 'bytes=8-15' } });
  expect([part.status, part.bytes]).toEqual([206, bytes.subarray(8, 16)]);
});
