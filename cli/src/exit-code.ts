import { DataError } from './data/dataset.ts';
import { ProblemError } from '../../client-kit/src/problem-error.ts';

/** What the command's exit status means; `tributary help exit-codes` prints this table. */
export const EXIT_CODES = {
  ok: [0, 'done'],
  failed: [1, 'failed for a reason that no other code names'],
  usage: [2, 'unknown command, missing or malformed argument'],
  auth: [3, 'no token, or the server refused it (401, 403)'],
  notFound: [4, 'no such job, site, model, command or file'],
  unsuccessful: [5, 'the job ended, and not as FINISHED:COMPLETED'],
  unreachable: [6, 'the server did not answer'],
  refused: [7, 'the server refused the content (400, 409, 413, 415, 422)'],
  data: [8, 'a local data, model or spec file is not what it should be'],
  timeout: [9, 'the time given with --timeout ran out'],
  interrupted: [130, 'stopped with Ctrl-C'],
} as const;
export type ExitName = keyof typeof EXIT_CODES;

export const exitCode = (name: ExitName): number => EXIT_CODES[name][0];

/** A failure that the command itself found; `hints` are further lines for a person. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitName;
  readonly hints: readonly string[];

  constructor(exit: ExitName, message: string, hints: readonly string[] = []) {
    super(message);
    this.exit = exit;
    this.hints = hints;
  }
}

/** A failure as it is shown: one message, further lines, and as JSON. */
export interface Failure {
  readonly exit: ExitName;
  readonly message: string;
  readonly hints: readonly string[];
  readonly json: unknown;
}

const ofStatus = (status: number): ExitName => {
  if (status === 401 || status === 403) return 'auth';
  if (status === 404) return 'notFound';
  if (status >= 500) return status === 507 ? 'failed' : 'unreachable';
  return 'refused';
};

/** Node says "fetch failed"; the reason is underneath. */
const rootCause = (error: Error): Error => {
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0];
  return cause instanceof Error ? rootCause(cause) : error;
};

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'UND_ERR_SOCKET',
]);

/** Sorts any error into an exit code and words for a person. */
export const failureOf = (error: unknown): Failure => {
  if (!(error instanceof Error)) {
    return { exit: 'failed', message: String(error), hints: [], json: { detail: String(error) } };
  }
  if (error instanceof ProblemError) {
    const { problem } = error;
    return {
      exit: ofStatus(problem.status),
      message: `${problem.detail} (${problem.status} ${problem.code})`,
      hints: problem.errors.map(
        ({ path, expected, got }) => `  ${path}: expected ${expected}, got ${got}`,
      ),
      json: problem,
    };
  }
  const plain = (exit: ExitName, message: string, hints: readonly string[] = []): Failure => ({
    exit,
    message,
    hints,
    json: { code: exit.toUpperCase(), detail: message, ...(hints.length > 0 && { hints }) },
  });
  if (error instanceof CommandError) return plain(error.exit, error.message, error.hints);
  if (error instanceof DataError) return plain('data', error.message);
  const root = rootCause(error) as NodeJS.ErrnoException;
  if (root.code?.startsWith('ERR_PARSE_ARGS')) return plain('usage', error.message);
  if (NETWORK.has(root.code ?? '') || error.message === 'fetch failed') {
    return plain('unreachable', `the server did not answer: ${root.message}`);
  }
  if (root.code === 'ENOENT') return plain('notFound', root.message);
  return plain('failed', error.message);
};
