import { expect, test } from 'vitest';
import type { Fault } from '../core/protocol/fault.ts';
import { faultOf, problem, Refusal } from './problem.ts';

const detail = 'why';
// One of each; the compiler refuses a table that lacks a reason.
const TABLE: { readonly [R in Fault['reason']]: readonly [Extract<Fault, { reason: R }>, number] } =
  {
    unauthorized: [{ reason: 'unauthorized', detail }, 401],
    forbidden: [{ reason: 'forbidden', detail }, 403],
    'not-found': [{ reason: 'not-found', what: 'job' }, 404],
    'method-not-allowed': [{ reason: 'method-not-allowed', allow: ['GET', 'PUT'] }, 405],
    malformed: [{ reason: 'malformed', detail }, 400],
    incomplete: [{ reason: 'incomplete', detail }, 408],
    conflict: [{ reason: 'conflict', detail }, 409],
    'unsupported-media-type': [
      { reason: 'unsupported-media-type', expected: 'application/json', got: 'text/plain' },
      415,
    ],
    'too-large': [{ reason: 'too-large', limit: 10, got: 11 }, 413],
    'range-not-satisfiable': [{ reason: 'range-not-satisfiable', size: 7, detail }, 416],
    invalid: [
      {
        reason: 'invalid',
        code: 'INVALID_SPEC',
        detail,
        errors: [{ path: 'a[0].b', expected: 'x', got: 'y' }],
      },
      422,
    ],
    'storage-full': [{ reason: 'storage-full', detail }, 507],
    unavailable: [{ reason: 'unavailable', detail, retryAfter: 1.2 }, 503],
    internal: [{ reason: 'internal', detail }, 500],
  };

test.each(Object.values(TABLE))('$reason', async (fault, status) => {
  const response = problem(fault);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({
    type: `urn:tributary:problem:${fault.reason}`,
    status,
    detail: expect.any(String),
    code: expect.stringMatching(/^[A-Z_]+$/),
  });
});

test('headers that a status asks for', () => {
  const header = (reason: Fault['reason'], name: string) =>
    problem(TABLE[reason][0]).headers.get(name);
  expect(header('unauthorized', 'www-authenticate')).toMatch(/^Bearer/);
  expect(header('method-not-allowed', 'allow')).toBe('GET, PUT');
  expect(header('range-not-satisfiable', 'content-range')).toBe('bytes */7');
  // Whole seconds, and never too early.
  expect(header('unavailable', 'retry-after')).toBe('2');
});

test('fields at fault are told with the code that the fault has', async () => {
  const body = await problem(TABLE.invalid[0]).json();
  expect(body).toMatchObject({
    code: 'INVALID_SPEC',
    errors: [{ path: 'a[0].b', expected: 'x', got: 'y' }],
  });
});

test('an unforeseen error says nothing of itself', () => {
  const secret = new Error('token abc in table xyz');
  expect(JSON.stringify(faultOf(secret))).not.toMatch(/abc|xyz/);
  expect(faultOf(secret).reason).toBe('internal');
  expect(faultOf(Object.assign(new Error(), { overloaded: true })).reason).toBe('unavailable');
  expect(faultOf(new Error('database or disk is full: SQLITE_FULL')).reason).toBe('storage-full');
  expect(faultOf(new Refusal(TABLE.conflict[0]))).toBe(TABLE.conflict[0]);
});
