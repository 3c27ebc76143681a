import type { FieldError } from '../../core/protocol/fault.ts';
import type { ReturnCode } from '../../core/protocol/return-code.ts';

/**
 * Why a task came to nothing, as the server is told. `message` and `errors` travel: they name fields, shapes and
 * numbers, never data. Any other error that an executor throws travels as EXECUTION_EXCEPTION without its text.
 */
export class TaskError extends Error {
  readonly returnCode: Exclude<ReturnCode, 'OK'>;
  readonly errors: readonly FieldError[];

  constructor(
    returnCode: Exclude<ReturnCode, 'OK'>,
    message: string,
    errors: readonly FieldError[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'TaskError';
    this.returnCode = returnCode;
    this.errors = errors;
  }
}
