import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { isTransient } from './connection.ts';
import type { Connection, HeaderMap, RequestOptions } from './connection.ts';
import { ProblemError } from './problem-error.ts';

/** A body to put. */
export interface Put extends Pick<RequestOptions, 'signal' | 'attempts' | 'again' | 'filters'> {
  readonly url: string;
  readonly body: Blob;
  readonly headers: HeaderMap;
  /** A larger body goes in parts of at most this size (a multiple of 1 MiB). */
  readonly partBytes?: number | undefined;
  /** Hears how many bytes the server has. */
  readonly onBytes?: ((there: number) => void) | undefined;
}

/** Parts without any progress after which the server is not believed any more. */
const STUCK = 8;

type Step<T> = { readonly done: T } | { readonly received: number };

/**
 * Puts a body: at once, or above 32 MiB in parts (Content-Range) that go on where an earlier attempt, or an earlier life
 * of this process, stopped. Gives what `read` makes of the answer to the whole. Rejects as `Connection.send` does, and
 * with Error where the server never gets further.
 */
export const put = async <T>(
  connection: Connection,
  { url, body, headers, partBytes = LIMITS.partThresholdBytes, onBytes, ...options }: Put,
  read: (answer: Response) => Promise<T>,
): Promise<T> => {
  const { size } = body;
  const { again = isTransient } = options;
  /** 409: the part lost to another of the same body. */
  const partAgain = (refusal: ProblemError): boolean => refusal.status === 409 || again(refusal);
  const send = (part: Blob, range?: string, attempts = options.attempts): Promise<Step<T>> =>
    connection.send(
      'PUT',
      url,
      {
        ...options,
        attempts,
        body: part,
        headers: { ...headers, ...(range && { 'content-range': `bytes ${range}/${size}` }) },
      },
      async (answer) =>
        answer.status === 202
          ? ((await answer.json()) as { readonly received: number })
          : { done: await read(answer) },
    );
  /** A part is tried once: of one that broke off the server keeps the whole MiBs, and it says how many. */
  const sendFrom = (received: number): Promise<Step<T>> => {
    const begin = received - (received % MiB);
    const end = Math.min(begin + partBytes, size);
    return send(body.slice(begin, end), `${begin}-${end - 1}`, 1);
  };
  const progress = (): Promise<Step<T>> => send(new Blob([]), '*');

  let step = size > partBytes ? await progress() : await send(body);
  for (let best = -1, failures = 0, stuck = 0, failed = false; !('done' in step);) {
    if (step.received > best) {
      best = step.received;
      failures = stuck = 0;
      onBytes?.(best);
    } else if (!failed && ++stuck > STUCK) {
      throw new Error(`the upload is stuck at ${best} of ${size} bytes`);
    }
    failed = false;
    try {
      step = await sendFrom(step.received);
    } catch (error) {
      // 416: the server has more or less than we thought (its answer to the last part was lost).
      if (!(error instanceof ProblemError && error.status === 416)) {
        failed = true;
        await connection.beforeRetry(error, {
          ...options,
          again: partAgain,
          method: 'PUT',
          path: url,
          attempt: ++failures,
        });
      }
      step = await progress();
    }
  }
  onBytes?.(size);
  return step.done;
};
