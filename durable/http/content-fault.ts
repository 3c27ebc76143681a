import type { Fault, FieldError } from '../../core/protocol/fault.ts';
import { shown } from '../../core/tensors/fault.ts';
import type { TensorFault } from '../../core/tensors/fault.ts';
import { BrokenBody } from '../bytes/broken-body.ts';
import type { NonFinite } from '../bytes/spans.ts';
import { isFull } from '../bytes/storage-fault.ts';

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

/** What an exception while bytes arrived or were stored comes to; rethrows what is neither the sender's nor the disk's. */
export const arrivalFault = (error: unknown): Fault => {
  if (error instanceof BrokenBody) return { reason: 'incomplete', detail: shown(error.message) };
  if (isFull(error)) return { reason: 'storage-full', detail: 'the disk is full' };
  throw error;
};
