import type { Env } from './env.ts';
import type { MessageRow } from './outbox.ts';
import type { JobChange } from './stubs.ts';
import { blobOf, directoryOf } from './stubs.ts';

/** Carries one message of a job's outbox to its object. Throws where it doesn't arrive. */
export async function carry(
  env: Env,
  job: string,
  { kind, target, body }: MessageRow,
): Promise<void> {
  if (kind === 'hold') await blobOf(env, target).hold(job);
  else await directoryOf(env).jobChanged(JSON.parse(body) as JobChange);
}
