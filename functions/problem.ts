import type { Fault } from '../core/protocol/fault.ts';
import type { Problem } from '../core/protocol/problem.ts';

/** A refusal on its way to the one error handler. */
export class Refusal extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.reason);
    this.fault = fault;
  }
}

type Described = {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly code?: string;
  readonly errors?: Problem['errors'];
  readonly headers?: Record<string, string>;
};

/** The one place where a fault becomes a status. */
function describe(fault: Fault): Described {
  switch (fault.reason) {
    case 'unauthorized':
      return {
        status: 401,
        title: 'Unauthorized',
        detail: fault.detail,
        headers: { 'www-authenticate': 'Bearer realm="tributary"' },
      };
    case 'forbidden':
      return { status: 403, title: 'Forbidden', detail: fault.detail };
    case 'not-found':
      return { status: 404, title: 'Not found', detail: `There is no such ${fault.what}.` };
    case 'method-not-allowed':
      return {
        status: 405,
        title: 'Method not allowed',
        detail: `This path takes ${fault.allow.join(', ')}.`,
        headers: { allow: fault.allow.join(', ') },
      };
    case 'malformed':
      return {
        status: 400,
        title: 'Malformed request',
        detail: fault.detail,
        ...(fault.errors ? { errors: [...fault.errors] } : {}),
      };
    case 'incomplete':
      return { status: 408, title: 'Request timeout', detail: fault.detail };
    case 'conflict':
      return { status: 409, title: 'Conflict', detail: fault.detail };
    case 'unsupported-media-type':
      return {
        status: 415,
        title: 'Unsupported media type',
        detail: `Expected ${fault.expected}, got ${fault.got}.`,
        headers: { accept: fault.expected },
      };
    case 'too-large':
      return {
        status: 413,
        title: 'Too large',
        detail:
          fault.got === null
            ? `The limit is ${fault.limit} bytes.`
            : `The limit is ${fault.limit} bytes; this has ${fault.got}.`,
      };
    case 'range-not-satisfiable':
      return {
        status: 416,
        title: 'Range not satisfiable',
        detail: fault.detail,
        headers: { 'content-range': `bytes */${fault.size}` },
      };
    case 'invalid':
      return {
        status: 422,
        title: 'Invalid content',
        detail: fault.detail,
        code: fault.code,
        errors: [...fault.errors],
      };
    case 'storage-full':
      return { status: 507, title: 'Insufficient storage', detail: fault.detail };
    case 'unavailable':
      return {
        status: 503,
        title: 'Unavailable',
        detail: fault.detail,
        headers: { 'retry-after': `${Math.ceil(fault.retryAfter)}` },
      };
    case 'internal':
      return { status: 500, title: 'Internal error', detail: fault.detail };
    default:
      return fault satisfies never;
  }
}

/** A fault as RFC 9457 has it. */
export function problem(fault: Fault): Response {
  const { status, title, detail, code, errors, headers } = describe(fault);
  const body: Problem = {
    type: `urn:tributary:problem:${fault.reason}`,
    title,
    status,
    detail,
    code: code ?? fault.reason.toUpperCase().replaceAll('-', '_'),
    ...(errors ? { errors: errors.map((e) => ({ ...e })) } : {}),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...headers,
    },
  });
}

/** What a failure that nobody foresaw looks like from outside; its cause stays in the log. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Refusal) return error.fault;
  const { retryable, overloaded, message } = error as Record<string, unknown>;
  if (retryable === true || overloaded === true) {
    return { reason: 'unavailable', detail: 'Try again in a moment.', retryAfter: 1 };
  }
  if (String(message).includes('SQLITE_FULL')) {
    return { reason: 'storage-full', detail: 'The disk or the storage is full.' };
  }
  return { reason: 'internal', detail: 'Something went wrong here; the log says what.' };
}
