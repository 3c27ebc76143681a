import type { FieldError, Fault } from '../../core/protocol/fault.ts';
import { checked } from '../../core/protocol/field-errors.ts';
import { JobSpec } from '../../core/protocol/job.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import { blobErrors, type BlobReader, modelErrors } from './blobs.ts';
import { completeArgs } from './args.ts';
import { ruleErrors } from './rules.ts';
import type { Catalog } from './catalog.ts';

const refused = (
  code: string,
  detail: string,
  errors: readonly FieldError[],
): Result<never, Fault> => err({ reason: 'invalid', code, detail, errors });

/**
 * Checks a whole spec before there is a job: its shape, each component's name and args, that the parts fit each other,
 * that the blobs are there, and that the programs fit the model. Gives it back with all defaults filled in. A refusal
 * is `invalid` and names every field at fault, as far as one step's findings don't hide the next's.
 */
export async function admit(
  spec: unknown,
  catalog: Catalog,
  blob: BlobReader,
): Promise<Result<JobSpec, Fault>> {
  const shape = checked(JobSpec, spec);
  if (!shape.ok) return refused('INVALID_SPEC', 'The spec is not one.', shape.error);
  const complete = completeArgs(shape.value, catalog);
  if (!complete.ok) {
    return refused(
      'INVALID_SPEC',
      'The spec names or configures a component wrongly.',
      complete.error,
    );
  }
  const rules = ruleErrors(complete.value, catalog);
  if (rules.length > 0) return refused('INVALID_SPEC', 'Parts of the spec do not fit.', rules);
  const bytes = new TextEncoder().encode(JSON.stringify(complete.value)).length;
  if (bytes > LIMITS.specBytes) {
    return err({ reason: 'too-large', limit: LIMITS.specBytes, got: bytes });
  }
  const missing = await blobErrors(complete.value, blob);
  if (missing.length > 0) {
    return refused('MISSING_BLOB', 'The spec names blobs that were not uploaded.', missing);
  }
  const misfits = await modelErrors(complete.value, blob);
  if (misfits.length > 0) {
    return refused('MANIFEST_MISMATCH', 'Model and programs do not fit each other.', misfits);
  }
  return ok(complete.value);
}
