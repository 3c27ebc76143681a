import { TaskError } from '../task-error.ts';
import type { Failure } from './messages.ts';

/** An error as it goes through a message port. */
export const failureOf = (error: unknown): Failure => {
  if (!(error instanceof TaskError)) {
    return { message: error instanceof Error ? error.message : String(error) };
  }
  const { message, returnCode, errors } = error;
  return { message, returnCode, errors };
};

/** And as it was. */
export const errorOf = ({ message, returnCode, errors }: Failure): Error =>
  returnCode ? new TaskError(returnCode, message, errors) : new Error(message);
