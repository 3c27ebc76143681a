import { openAsBlob } from 'node:fs';
import type { Connection } from '../../client-kit/src/connection.ts';
import { put } from '../../client-kit/src/parts.ts';
import { ProblemError } from '../../client-kit/src/problem-error.ts';
import { pathOf } from '../../core/protocol/http.ts';
import { digestOfBlob } from './digest.ts';

const ATTEMPTS = 5;

/** What uploading a blob came to. */
export interface Uploaded {
  readonly digest: string;
  readonly bytes: number;
  /** False where the server had it already. */
  readonly sent: boolean;
}

/**
 * Puts bytes under their digest unless they are there; above 32 MiB in parts that a later try goes on with. `onBytes`
 * hears how many bytes the server has. Rejects as `Connection.send` does.
 */
export const uploadBlob = async (
  connection: Connection,
  blob: Blob,
  { signal, onBytes }: { signal?: AbortSignal; onBytes?: (sent: number) => void } = {},
): Promise<Uploaded> => {
  const digest = await digestOfBlob(blob);
  const path = pathOf('putBlob', { digest });
  const common = { attempts: ATTEMPTS, ...(signal && { signal }) };
  const known = await connection
    .send('HEAD', path, common, () => Promise.resolve(true))
    .catch((error) => {
      if (error instanceof ProblemError && error.status === 404) return false;
      throw error;
    });
  if (known) return { digest, bytes: blob.size, sent: false };

  const headers = { 'content-type': 'application/octet-stream' };
  await put(connection, { url: path, body: blob, headers, onBytes, ...common }, async (answer) =>
    answer.body?.cancel(),
  );
  return { digest, bytes: blob.size, sent: true };
};

/** Like {@link uploadBlob}, for a file that need not fit in memory. */
export const uploadFile = async (
  connection: Connection,
  file: string,
  options: Parameters<typeof uploadBlob>[2] = {},
): Promise<Uploaded> => uploadBlob(connection, await openAsBlob(file), options);
