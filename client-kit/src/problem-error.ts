import type { FieldError } from '../../core/protocol/fault.ts';

/** What an RFC 9457 `application/problem+json` body says; `code` is `UNKNOWN` where the answer wasn't one. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors: readonly FieldError[];
}

const text = (value: unknown, otherwise: string): string =>
  typeof value === 'string' ? value : otherwise;

/** The server's refusal of a request. `retryAfterMS` is its Retry-After, where it sent one. */
export class ProblemError extends Error {
  readonly problem: ProblemDetails;
  readonly retryAfterMS: number | undefined;

  constructor(problem: ProblemDetails, retryAfterMS?: number) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
    this.name = 'ProblemError';
    this.problem = problem;
    this.retryAfterMS = retryAfterMS;
  }

  get status(): number {
    return this.problem.status;
  }

  /** Reads a refusal, whatever it looks like: a proxy on the way may answer HTML. Reads the body. */
  static async from(response: Response, now: number = Date.now()): Promise<ProblemError> {
    const { status, statusText } = response;
    const body: unknown = await response.json().catch(() => null);
    const said = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    const details: ProblemDetails = {
      type: text(said['type'], 'about:blank'),
      title: text(said['title'], statusText),
      status,
      detail: text(said['detail'], statusText || `HTTP ${status}`),
      code: text(said['code'], 'UNKNOWN'),
      errors: Array.isArray(said['errors']) ? (said['errors'] as FieldError[]) : [],
    };
    return new ProblemError(details, retryAfterMS(response.headers.get('retry-after'), now));
  }
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date (RFC 9110 §10.2.3); undefined where it is neither. */
export const retryAfterMS = (header: string | null, now: number): number | undefined => {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
};
