/** Waits `ms`, or rejects with the signal's reason as soon as it aborts. */
export type Pause = (ms: number, signal?: AbortSignal) => Promise<void>;

export const pause: Pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });

const BASE_MS = 200;
const CAP_MS = 10_000;

/**
 * How long to wait before try number `attempt` (from 0): "full jitter", uniform below a bound that doubles, so that
 * a thousand devices whose server restarted don't come back at once (M. Brooker, "Exponential Backoff And Jitter",
 * AWS, 2015).
 */
export const backoffMS = (attempt: number, random: () => number): number =>
  random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
