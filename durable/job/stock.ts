import type { Fault } from '../../core/protocol/fault.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { invalid } from '../http/content-fault.ts';
import type { Engine } from './engine.ts';
import type { Env } from '../env.ts';
import type { NewJob } from '../stubs.ts';
import { blobOf } from '../stubs.ts';

/** Where a spec names blobs: path -> digest. A blob that is named twice is held once. */
const blobsOf = ({ model, programs }: JobSpec): Map<string, string> =>
  new Map([
    ...(model === undefined ? [] : [['model', model] as const]),
    ...Object.entries(programs).map(([name, { blob }]) => [`programs.${name}.blob`, blob] as const),
  ]);

const missing = (path: string, digest: string): Fault =>
  invalid('MISSING_BLOB', `${digest} is not uploaded.`, {
    path,
    expected: 'an uploaded blob',
    got: digest,
  });

const notNow = (detail: string): Fault => ({ reason: 'unavailable', detail, retryAfter: 1 });

/**
 * Gives a new job what it needs: holds every blob that its spec names, then copies the initial model into its object, for
 * all that a fold reads is there. Idempotent. -> the initial model, or null where the spec names none; `unavailable` where
 * it may go better next time, any other fault where it won't. Throws where a blob's object can't be reached.
 */
export async function stock(
  { env, models }: Engine,
  { id, spec }: NewJob,
): Promise<Result<ModelRef | null, Fault>> {
  const holds = [...blobsOf(spec)].map(
    async ([path, digest]) => (await blobOf(env, digest).hold(id)) || missing(path, digest),
  );
  for (const hold of await Promise.all(holds)) if (hold !== true) return err(hold);
  const { model } = spec;
  if (model === undefined) return ok(null);
  const blob = await blobOf(env, model).fetch(new Request(`https://blob/${model}`));
  if (!blob.ok || !blob.body) {
    const fault = (await blob.json().catch(() => null)) as Fault | null;
    return err(
      fault?.reason === 'not-found'
        ? missing('model', model)
        : notNow('its model can not be read now'),
    );
  }
  const imported = await models.importModel(model, blob.body);
  if (imported.ok || imported.error.reason !== 'incomplete') return imported;
  return err(notNow(imported.error.detail));
}

/** Lets a job's blobs go. Idempotent. Throws where one can't be reached. */
export async function release(env: Env, id: string, spec: JobSpec): Promise<void> {
  for (const digest of new Set(blobsOf(spec).values())) await blobOf(env, digest).release(id);
}
