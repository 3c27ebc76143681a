import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import type { ResultAnswer } from '../../core/protocol/task.ts';
import type { Connection } from './connection.ts';
import { reprDigestOf } from './digest.ts';
import { ProblemError } from './problem-error.ts';

/** How the server took a whole result. */
export type Acknowledgement = Exclude<ResultAnswer['status'], 'partial'>;

export interface Upload {
  readonly url: string;
  readonly body: Blob;
  readonly contentType: string;
  readonly signal?: AbortSignal | undefined;
  /** A larger body goes in parts of at most this size (a multiple of 1 MiB). */
  readonly partBytes?: number;
}

/** Parts without any progress after which the server is not believed any more. */
const STUCK = 8;

/**
 * Sends a result: at once, or above 32 MiB in parts that go on where an earlier attempt, or an earlier life of this
 * site, stopped. Rejects with ProblemError where the server refuses it.
 */
export const upload = async (connection: Connection, upload: Upload): Promise<Acknowledgement> => {
  const { url, body, contentType, signal, partBytes = LIMITS.partThresholdBytes } = upload;
  const put = (part: Blob, headers: Record<string, string>): Promise<ResultAnswer> =>
    connection.send(
      'PUT',
      url,
      { body: part, headers: { 'content-type': contentType, ...headers }, signal },
      (answer) => answer.json() as Promise<ResultAnswer>,
    );

  if (body.size <= partBytes) {
    const answer = await put(body, {});
    if (answer.status === 'partial') throw new Error('the server took a whole body for a part');
    return answer.status;
  }

  const digest = await reprDigestOf(new Uint8Array(await body.arrayBuffer()));
  const part = async (begin: number): Promise<ResultAnswer> => {
    const end = Math.min(begin + partBytes, body.size);
    const range = `bytes ${begin}-${end - 1}/${body.size}`;
    try {
      return await put(body.slice(begin, end), { 'content-range': range, 'repr-digest': digest });
    } catch (error) {
      // The server has more or less than we thought (its answer to the last part was lost): ask.
      if (error instanceof ProblemError && error.status === 416) return progress();
      throw error;
    }
  };
  const progress = (): Promise<ResultAnswer> =>
    put(new Blob([]), { 'content-range': `bytes */${body.size}`, 'repr-digest': digest });

  let answer = await progress();
  for (let best = -1, stuck = 0; answer.status === 'partial'; answer = await part(begin(answer))) {
    stuck = answer.received > best ? 0 : stuck + 1;
    if (stuck > STUCK) throw new Error(`the upload is stuck at ${best} of ${body.size} bytes`);
    best = Math.max(best, answer.received);
  }
  return answer.status;
};

/** Parts start at a multiple of 1 MiB. */
const begin = ({ received }: { readonly received: number }): number => received - (received % MiB);
