import * as v from 'valibot';
import { shown } from '../tensors/fault.ts';
import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';
import type { Changes, Declined, Subject } from './filter.ts';
import { isLearned } from './learned.ts';

/**
 * What a filter with a privacy guarantee does where there are tensors that it leaves as they are, BatchNorm statistics for
 * one, which say much about the data: `refuse` declines the update, `send` lets them go, outside the guarantee.
 */
export const Others = v.optional(v.picklist(['refuse', 'send']), 'refuse');

/** Declines an update with unprotected tensors, unless they are to be sent. */
export const refuseOthers = (
  { specs }: Subject,
  others: v.InferOutput<typeof Others>,
): Result<Changes, Declined> => {
  const first = specs.find((spec) => !isLearned(spec));
  if (!first || others === 'send') return ok({});
  const name = shown(first.name);
  const detail = `'${name}' would go out as it is: exclude it, or allow it with others: "send"`;
  return err({ reason: 'unprotected', detail });
};
