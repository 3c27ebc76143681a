import { createHash } from 'node:crypto';

/** `sha256-<hex>` of bytes that come in pieces: a file need not fit in memory. */
export const digestOfBlob = async (blob: Blob): Promise<string> => {
  const hash = createHash('sha256');
  for await (const part of blob.stream()) hash.update(part);
  return `sha256-${hash.digest('hex')}`;
};

/** `sha256-<hex>` of some bytes. */
export const digestOf = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
