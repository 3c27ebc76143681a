import type { Policy } from './policy.ts';
import { TaskError } from '../task-error.ts';
import { orAborted } from '../turnstile.ts';

/** Hears how many steps have been taken. */
export type Count = (steps: number) => void;

/**
 * Does work with a signal that aborts when more time or steps are used than allowed. Rejects then, once the work has
 * stopped or after a moment's grace, with TaskError TIMEOUT or TASK_ABORTED; else as the work does.
 */
export const withinLimits = async <T>(
  limits: Policy['limits'],
  signal: AbortSignal,
  work: (signal: AbortSignal, count: Count) => Promise<T>,
): Promise<T> => {
  const { seconds, steps } = limits ?? {};
  if (seconds === undefined && steps === undefined) return work(signal, () => undefined);
  const over = new AbortController();
  const timer =
    seconds !== undefined &&
    setTimeout(() => {
      const why = `the site's policy gives a task ${seconds} s`;
      over.abort(new TaskError('TIMEOUT', why));
    }, seconds * 1000);
  const count: Count = (taken) => {
    if (steps === undefined || taken <= steps) return;
    over.abort(new TaskError('TASK_ABORTED', `the site's policy gives a task ${steps} steps`));
  };
  const working = work(AbortSignal.any([signal, over.signal]), count);
  try {
    const done = await orAborted(working, over.signal);
    over.signal.throwIfAborted();
    return done;
  } finally {
    if (timer) clearTimeout(timer);
    // Whoever is next has the machine only when this work has let go of it.
    if (over.signal.aborted) await Promise.race([working.catch(() => undefined), grace()]);
  }
};

const GRACE_MS = 5000;
const grace = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, GRACE_MS));
