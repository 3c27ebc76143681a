import type { Fault, FieldError } from '../core/protocol/fault.ts';
import { shown } from '../core/tensors/fault.ts';
import type { TensorFault } from '../core/tensors/fault.ts';
import type { NonFinite } from './spans.ts';

/** Content that is refused with 422. */
export const invalid = (code: string, detail: string, ...errors: FieldError[]): Fault => ({
  reason: 'invalid',
  code,
  detail,
  errors,
});

/** Bytes that are not the tensors they should be: `header-too-long` becomes HEADER_TOO_LONG. */
export const tensorProblem = ({ reason, tensor, expected, got }: TensorFault): Fault =>
  invalid(
    reason.toUpperCase().replaceAll('-', '_'),
    `${tensor === undefined ? 'the tensors' : `tensor '${tensor}'`}: expected ${expected}, got ${got}`,
    { path: tensor ?? '', expected, got },
  );

export const nonFiniteProblem = ({ tensor, index }: NonFinite): Fault =>
  invalid('NON_FINITE', `tensor '${shown(tensor)}' is NaN or infinite at element ${index}`, {
    path: shown(tensor),
    expected: 'finite numbers',
    got: `NaN or infinity at element ${index}`,
  });

export const digestMismatch = (expected: string, got: string): Fault =>
  invalid('DIGEST_MISMATCH', 'the bytes are not those that the digest names', {
    path: 'digest',
    expected,
    got,
  });

/** What an exception while bytes arrived or were stored comes to. Rethrows what isn't the sender's or the disk's doing. */
export const arrivalFault = (error: unknown): Fault => {
  const text = error instanceof Error ? error.message : String(error);
  if (/SQLITE_FULL|disk is full|SQLITE_TOOBIG/i.test(text)) {
    return { reason: 'storage-full', detail: 'the disk is full' };
  }
  if (/SQLITE|no such table/i.test(text)) throw error;
  return { reason: 'malformed', detail: `the body ended before it was complete: ${shown(text)}` };
};
