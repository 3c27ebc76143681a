import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { problem } from '../tests/fake-server.ts';
import { backoffMS } from './backoff.ts';
import { Connection } from './connection.ts';
import type { Fetch } from './connection.ts';
import { ProblemError, retryAfterMS } from './problem-error.ts';

/** A connection whose server answers from a list, and that doesn't really wait. */
const scripted = (answers: (() => Response)[], token?: string) => {
  const sent: { url: string; init: RequestInit }[] = [];
  const waits: number[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({ url, init });
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    if (!answer) throw new TypeError('fetch failed');
    return answer();
  };
  const connection = new Connection({
    server: 'https://fl.example.org',
    token,
    fetch,
    random: () => 0.5,
    pause: async (ms, signal) => {
      signal?.throwIfAborted();
      waits.push(ms);
    },
  });
  return { connection, sent, waits };
};

const lost = (): Response => {
  throw new TypeError('fetch failed');
};

test('a request is repeated with a doubling, jittered wait while the network or the server is down', async () => {
  const { connection, sent, waits } = scripted([
    lost,
    () => problem(503, 'UNAVAILABLE'),
    () => problem(500, 'INTERNAL'),
    lost,
    () => Response.json({ jobs: [] }),
  ]);
  expect(await connection.json('GET', '/v1/inbox')).toEqual({ jobs: [] });
  expect(sent).toHaveLength(5);
  expect(waits).toEqual([100, 200, 400, 800]);
});

test('Retry-After is obeyed where it is longer than the backoff', async () => {
  const { connection, waits } = scripted([
    () => problem(429, 'SLOW_DOWN', { 'retry-after': '7' }),
    () => problem(507, 'STORAGE_FULL'),
    () => Response.json(1),
  ]);
  await connection.json('GET', '/');
  expect(waits).toEqual([7000, 200]);
});

test('a refusal is thrown at once, with all that the problem says', async () => {
  const errors = [{ path: 'w', expected: 'finite', got: 'NaN' }];
  const body = {
    type: 't',
    title: 'Invalid',
    status: 422,
    detail: 'no',
    code: 'NON_FINITE',
    errors,
  };
  const { connection, sent } = scripted([() => Response.json(body, { status: 422 })]);
  const error = await connection.json('POST', '/v1/jobs', { json: {} }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ProblemError);
  expect((error as ProblemError).problem).toEqual(body);
  expect(sent).toHaveLength(1);
});

test('an answer that is no problem document is a problem all the same', async () => {
  const { connection } = scripted([() => new Response('<h1>Forbidden</h1>', { status: 403 })]);
  await expect(connection.json('GET', '/')).rejects.toMatchObject({
    status: 403,
    problem: { code: 'UNKNOWN', errors: [] },
  });
});

test('a body lost half-way is a failed try', async () => {
  const { connection, sent } = scripted([
    () => new Response('{"half":'),
    () => Response.json({ whole: true }),
  ]);
  expect(await connection.json('GET', '/')).toEqual({ whole: true });
  expect(sent).toHaveLength(2);
});

test('the token goes with each request, and never to another origin', async () => {
  const { connection, sent } = scripted([() => Response.json(1)], 'secret');
  await connection.json('GET', '/v1/inbox');
  expect(new Headers(sent[0]?.init.headers).get('authorization')).toBe('Bearer secret');
  await expect(connection.json('GET', 'https://evil.example/x')).rejects.toThrow(TypeError);
  await expect(connection.json('GET', '//evil.example/x')).rejects.toThrow(TypeError);
  expect(sent).toHaveLength(1);
});

test('an abort ends the waiting, and attempts can be limited', async () => {
  const { connection } = scripted([lost]);
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await expect(connection.json('GET', '/', { signal: stop.signal })).rejects.toThrow('enough');
  await expect(connection.json('GET', '/', { attempts: 3 })).rejects.toThrow('fetch failed');
});

test('a silent server is given up and asked again', async () => {
  let tries = 0;
  const connection = new Connection({
    server: 'https://fl.example.org',
    pause: () => Promise.resolve(),
    fetch: (_, { signal }) => {
      if (++tries === 2) return Promise.resolve(Response.json('here'));
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    },
  });
  expect(await connection.json('GET', '/', { timeoutMS: 20 })).toBe('here');
});

test('Retry-After: seconds or a date, else nothing', () => {
  const now = Date.parse('2026-11-24T08:00:00Z');
  expect(retryAfterMS('120', now)).toBe(120_000);
  expect(retryAfterMS('Tue, 24 Nov 2026 08:00:30 GMT', now)).toBe(30_000);
  expect(retryAfterMS('Tue, 24 Nov 2026 07:00:00 GMT', now)).toBe(0);
  expect(retryAfterMS('soon', now)).toBeUndefined();
  expect(retryAfterMS(null, now)).toBeUndefined();
});

test('backoff is spread over the whole interval, and bounded', () => {
  fc.assert(
    fc.property(
      fc.nat(2000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, u) => {
        const wait = backoffMS(n, () => u);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(Math.min(10_000, 200 * 2 ** n));
      },
    ),
  );
});

test('a redirection is not followed: nothing reaches another host', async () => {
  const reached: string[] = [];
  const listen = async (answer: RequestListener) => {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const elsewhere = await listen((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  const server = await listen((_, response) => {
    response.writeHead(307, { location: `${elsewhere}/x` }).end();
  });
  const connection = new Connection({ server, token: 'secret', pause: () => Promise.resolve() });
  const sent = connection.json('POST', '/x', { json: { update: 1 }, attempts: 2 });
  await expect(sent).rejects.toMatchObject({ status: 307 });
  expect(reached).toEqual([]);
});
