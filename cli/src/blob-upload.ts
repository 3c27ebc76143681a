import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import type { Connection } from '../../client-kit/src/connection.ts';
import { ProblemError } from '../../client-kit/src/problem-error.ts';
import { pathOf } from '../../core/protocol/http.ts';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';

const ATTEMPTS = 5;

/** What uploading a blob came to. */
export interface Uploaded {
  readonly digest: string;
  readonly bytes: number;
  /** False where the server had it already. */
  readonly sent: boolean;
}

/** `sha256-<hex>` of a blob, read in pieces. */
export const digestOf = async (blob: Blob): Promise<string> => {
  const hash = createHash('sha256');
  for await (const part of blob.stream()) hash.update(part);
  return `sha256-${hash.digest('hex')}`;
};

/**
 * Puts bytes under their digest unless they are there; above 32 MiB in parts that a later try goes on with. `onBytes`
 * hears how many bytes the server has. Rejects as `Connection.send` does.
 */
export const uploadBlob = async (
  connection: Connection,
  blob: Blob,
  { signal, onBytes }: { signal?: AbortSignal; onBytes?: (sent: number) => void } = {},
): Promise<Uploaded> => {
  const digest = await digestOf(blob);
  const path = pathOf('putBlob', { digest });
  const common = { attempts: ATTEMPTS, ...(signal && { signal }) };
  const known = await connection
    .send('HEAD', path, common, () => Promise.resolve(true))
    .catch((error) => {
      if (error instanceof ProblemError && error.status === 404) return false;
      throw error;
    });
  if (known) return { digest, bytes: blob.size, sent: false };

  const put = (body: Blob, range?: string): Promise<number> =>
    connection.send(
      'PUT',
      path,
      {
        ...common,
        body,
        headers: {
          'content-type': 'application/octet-stream',
          ...(range && { 'content-range': `bytes ${range}/${blob.size}` }),
        },
      },
      async (answer) => {
        const said = (await answer.json()) as { received?: number };
        return answer.status === 202 ? (said.received ?? 0) : blob.size;
      },
    );
  if (blob.size <= LIMITS.partThresholdBytes) {
    const received = await put(blob);
    onBytes?.(received);
  } else {
    const there = await put(new Blob([]), '*');
    let at = there - (there % MiB);
    while (at < blob.size) {
      const end = Math.min(at + LIMITS.partThresholdBytes, blob.size);
      const received = await put(blob.slice(at, end), `${at}-${end - 1}`);
      onBytes?.(received);
      // Parts start at a multiple of 1 MiB.
      at = received === blob.size ? received : received - (received % MiB);
    }
  }
  return { digest, bytes: blob.size, sent: true };
};

/** Like {@link uploadBlob}, for a file that need not fit in memory. */
export const uploadFile = async (
  connection: Connection,
  file: string,
  options: Parameters<typeof uploadBlob>[2] = {},
): Promise<Uploaded> => uploadBlob(connection, await openAsBlob(file), options);
