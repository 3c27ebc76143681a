import { LIMITS } from '../../core/protocol/limits.ts';
import type { ResultAnswer } from '../../core/protocol/task.ts';
import type { Connection } from './connection.ts';
import { reprDigestOf } from './digest.ts';
import { put } from './parts.ts';
import type { ProblemError } from './problem-error.ts';
import type { Sending } from './sending.ts';

/** How the server took a whole result. */
export type Acknowledgement = Exclude<ResultAnswer['status'], 'partial'>;

export interface Upload {
  readonly url: string;
  readonly body: Blob;
  readonly contentType: string;
  readonly filters?: Sending['filters'];
  readonly signal?: AbortSignal | undefined;
  /** A larger body goes in parts of at most this size (a multiple of 1 MiB). */
  readonly partBytes?: number;
}

/** About the site, its task, and what the result says: the only refusals that another try can't change. */
const FINAL: ReadonlySet<number> = new Set([401, 403, 404, 422]);

/**
 * A result may be hours of work: whatever isn't the server's own final word (a proxy's limit or login page, a body that
 * was mangled on the way, a part that lost a race) is tried again.
 */
const again = ({ problem }: ProblemError): boolean =>
  problem.code === 'UNKNOWN' || !FINAL.has(problem.status);

/** Sends a result. Rejects with ProblemError where the server refuses it (401, 403, 404, 422). */
export const upload = async (connection: Connection, upload: Upload): Promise<Acknowledgement> => {
  const { url, body, contentType, filters, signal } = upload;
  const { partBytes = LIMITS.partThresholdBytes } = upload;
  const digest =
    body.size > partBytes && (await reprDigestOf(new Uint8Array(await body.arrayBuffer())));
  const headers = { 'content-type': contentType, ...(digest && { 'repr-digest': digest }) };
  const answer = await put(
    connection,
    { url, body, headers, partBytes, signal, again, filters },
    (answer) => answer.json() as Promise<ResultAnswer>,
  );
  if (answer.status === 'partial') throw new Error('the server took a whole body for a part');
  return answer.status;
};
