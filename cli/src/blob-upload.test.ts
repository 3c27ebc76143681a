import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Connection } from '../../client-kit/src/connection.ts';
import type { Fetch } from '../../client-kit/src/connection.ts';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { uploadBlob } from './blob-upload.ts';

const SIZE = LIMITS.partThresholdBytes + 2.5 * MiB;
const BYTES = new Uint8Array(SIZE).map((_, i) => i % 251);
const DIGEST = `sha256-${createHash('sha256').update(BYTES).digest('hex')}`;

/** PUT /v1/blobs/:digest as the server does it: parts in order, whole MiBs kept of one that broke off. */
const start = (
  broken: (part: number) => number | undefined = () => undefined,
  lost: (part: number) => boolean = () => false,
) => {
  const held = new Uint8Array(SIZE);
  let received = 0;
  let whole = false;
  const parts: string[] = [];
  const answer = (): Response =>
    whole
      ? Response.json({ digest: DIGEST, bytes: SIZE }, { status: 201 })
      : Response.json({ status: 'partial', received }, { status: 202 });
  const fetch: Fetch = async (_, { method, body, headers }) => {
    if (method === 'HEAD') return new Response(null, { status: whole ? 200 : 404 });
    const range = new Headers(headers).get('content-range') ?? '';
    const begin = /^bytes (\d+)-/.exec(range)?.[1];
    if (begin === undefined) return answer();
    parts.push(range);
    if (lost(parts.length)) return new Response(null, { status: 409 });
    if (Number(begin) !== received) return new Response(null, { status: 416 });
    const part = new Uint8Array(await (body as Blob).arrayBuffer());
    const kept = broken(parts.length) ?? part.length;
    held.set(part.subarray(0, kept), received);
    received += kept;
    whole = received === SIZE;
    if (kept < part.length) throw new TypeError('fetch failed');
    return answer();
  };
  const connection = new Connection({
    server: 'http://fake.test',
    token: 'admin',
    fetch,
    pause: () => Promise.resolve(),
  });
  const heard: number[] = [];
  const upload = () =>
    uploadBlob(connection, new Blob([BYTES]), { onBytes: (there) => heard.push(there) });
  return { upload, held, parts, heard };
};

test('a large blob goes in parts, and again not at all', async () => {
  const { upload, held, parts, heard } = start();
  expect(await upload()).toEqual({ digest: DIGEST, bytes: SIZE, sent: true });
  expect(Buffer.compare(held, BYTES)).toBe(0);
  expect(parts).toEqual([
    `bytes 0-${LIMITS.partThresholdBytes - 1}/${SIZE}`,
    `bytes ${LIMITS.partThresholdBytes}-${SIZE - 1}/${SIZE}`,
  ]);
  expect(heard.at(-1)).toBe(SIZE);
  expect(await upload()).toEqual({ digest: DIGEST, bytes: SIZE, sent: false });
});

test('of a part that broke off, what the server kept is not sent again', async () => {
  const { upload, held, parts } = start((part) => (part === 1 ? 20 * MiB : undefined));
  expect(await upload()).toMatchObject({ sent: true });
  expect(Buffer.compare(held, BYTES)).toBe(0);
  expect(parts[1]).toBe(`bytes ${20 * MiB}-${SIZE - 1}/${SIZE}`);
});

test('a server that keeps nothing is given up: a person waits for this', async () => {
  const { upload, parts } = start(() => 0);
  await expect(upload()).rejects.toThrow('fetch failed');
  expect(parts).toHaveLength(5);
});

test('a part that lost to another of the same blob goes on where that one is', async () => {
  const { upload, held } = start(undefined, (part) => part === 1);
  expect(await upload()).toMatchObject({ sent: true });
  expect(Buffer.compare(held, BYTES)).toBe(0);
});
