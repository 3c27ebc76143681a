import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Api, matrix, sumJob } from './api.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
let model: string;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  model = await api.blob(matrix([1, 2]));
});
afterAll(() => server.stop());

const json = { 'content-type': 'application/json' };
const post = (path: string, body: unknown, headers: Record<string, string> = json) => ({
  path,
  call: { method: 'POST', body, headers },
});

describe('JSON bodies', () => {
  test.each([
    ['half an object', '{"uses":'],
    ['two values', '{} {}'],
    ['no JSON', 'uses=1'],
    ['NaN', '{"uses": NaN}'],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['a number beyond doubles', '{"uses": 1e999}'],
    ['a lone surrogate', '{"uses": "\\ud800"}'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['100,000 levels', '['.repeat(100_000)],
  ])('%s: 400', async (_, body) => {
    const { path, call } = post('/v1/enrolments', body);
    const problem = await api.problem(path, 400, call);
    expect(problem.code).toBe('MALFORMED');
  });

  test('64 levels are read, and refused for what they are', async () => {
    const { path, call } = post('/v1/enrolments', `${'['.repeat(64)}${']'.repeat(64)}`);
    await api.problem(path, 422, call);
  });

  test.each(['text/plain', 'application/jsonp', 'multipart/form-data', ''])(
    'as "%s": 415',
    async (type) => {
      const { path, call } = post('/v1/enrolments', '{}', { 'content-type': type });
      expect((await api.problem(path, 415, call)).code).toBe('UNSUPPORTED_MEDIA_TYPE');
    },
  );

  test('a parameter after the media type is fine, and no body is no request', async () => {
    const typed = post('/v1/enrolments', '{}', {
      'content-type': 'application/json; charset=utf-8',
    });
    await api.json(typed.path, 201, typed.call);
    await api.json('/v1/enrolments', 201, { method: 'POST' });
    await api.problem('/v1/jobs', 400, { method: 'POST' });
  });

  test('a byte order mark is let pass, as RFC 8259 allows', async () => {
    const { path, call } = post('/v1/enrolments', '\ufeff{}');
    await api.json(path, 201, call);
  });

  test.each([
    ['/v1/enrolments', LIMITS.jsonBytes],
    ['/v1/jobs', LIMITS.specBytes],
  ])('%s takes %d bytes and not one more', async (path, limit) => {
    const sized = (bytes: number): string => `{}${' '.repeat(bytes - 2)}`;
    const atLimit = await api.call(path, post(path, sized(limit)).call);
    expect([201, 422]).toContain(atLimit.status);
    await atLimit.arrayBuffer();
    const problem = await api.problem(path, 413, post(path, sized(limit + 1)).call);
    expect(problem.detail).toContain(`${limit}`);
    expect(await chunked(path, [sized(limit), ' '])).toBe(413);
  });

  test('an upload that nobody wants still gets its answer', async () => {
    const body = new Uint8Array(8 * 1024 * 1024);
    await api.problem('/v1/jobs', 401, { method: 'POST', token: 'x', body });
    await api.problem('/v1/jobs', 405, { method: 'PATCH', body });
    await api.problem('/nowhere', 404, { method: 'POST', body });
    await api.problem('/v1/jobs', 413, { method: 'POST', body, headers: json });
  });

  test('every field at fault is named, with what was expected and got', async () => {
    const body = { uses: 0, expiresIn: 'long', more: true };
    const { errors } = await api.problem('/v1/enrolments', 422, { body });
    expect(errors?.map(({ path }) => path).toSorted()).toEqual(['expiresIn', 'more', 'uses']);
    for (const { expected, got } of errors ?? []) expect(`${expected}${got}`).not.toBe('');
  });

  test('half a million faults are not all told', async () => {
    const name = `[${'1,'.repeat(500_000)}1]`;
    const { path, call } = post('/v1/jobs', `{"name":"x","deploy":${name}}`);
    const { errors } = await api.problem(path, 422, call);
    expect(errors?.length).toBeLessThanOrEqual(32);
  });
});

/** Sends a body in chunks, without saying how long it will be. */
const chunked = (path: string, chunks: readonly string[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${ADMIN}` },
    });
    sent.on('response', (response) => resolve(response.statusCode ?? 0)).on('error', reject);
    for (const chunk of chunks) sent.write(chunk);
    sent.end();
  });

describe('queries', () => {
  test.each([
    '/v1/jobs?limit=0',
    `/v1/jobs?limit=${LIMITS.pageMax + 1}`,
    '/v1/jobs?limit=ten',
    '/v1/jobs?limit=1.5',
    '/v1/jobs?limit=',
    `/v1/sites?cursor=${'x'.repeat(257)}`,
    `/v1/jobs/00000000-0000-7000-8000-000000000000?wait=${LIMITS.waitS + 1}`,
    '/v1/jobs/00000000-0000-7000-8000-000000000000?since=-1',
    '/v1/jobs/00000000-0000-7000-8000-000000000000/metrics?cursor=x',
    '/v1/jobs/00000000-0000-7000-8000-000000000000/metrics?site=No',
  ])('%s: 400', async (path) => {
    const { errors } = await api.problem(path, 400);
    expect(errors).toHaveLength(1);
  });

  test(`limit ${LIMITS.pageMax} is fine`, async () => {
    await api.json(`/v1/jobs?limit=${LIMITS.pageMax}`, 200);
  });
});

describe('Idempotency-Key', () => {
  const key = (text: string) => ({ 'idempotency-key': text });

  test('the same request has the same answer, and is done once', async () => {
    const body = sumJob(model, { name: 'once' });
    const answers = await Promise.all(
      [1, 2, 3].map(() => api.json('/v1/jobs', 201, { body, headers: key('a') })),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    const { jobs } = await api.json<{ jobs: { name: string }[] }>('/v1/jobs', 200);
    expect(jobs.filter(({ name }) => name === 'once')).toHaveLength(1);
  });

  test('another request with the key is refused', async () => {
    await api.json('/v1/enrolments', 201, { body: { uses: 1 }, headers: key('b') });
    const call = { body: { uses: 2 }, headers: key('b') };
    const { code } = await api.problem('/v1/enrolments', 422, call);
    expect(code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  test('a refused spec does not use the key up', async () => {
    const missing = { ...sumJob(`sha256-${'1'.repeat(64)}`) };
    await api.problem('/v1/jobs', 422, { body: missing, headers: key('c') });
    await api.json('/v1/jobs', 201, { body: sumJob(model), headers: key('c') });
  });

  test('enrolling again after a lost answer gives the same token, though the uses are spent', async () => {
    const token = await api.enrolment({ uses: 1 });
    const call = { token, body: { name: 'retrier' }, headers: key('d') };
    const first = await api.json('/v1/sites', 201, call);
    expect(await api.json('/v1/sites', 201, call)).toEqual(first);
    const { detail } = await api.problem('/v1/sites', 401, { token, body: { name: 'other' } });
    expect(detail).toContain('used up');
  });

  test('a key is its own caller’s', async () => {
    const [one, two] = [await api.enrolment(), await api.enrolment()];
    await api.json('/v1/sites', 201, { token: one, body: { name: 'first' }, headers: key('e') });
    const call = { token: two, body: { name: 'first' }, headers: key('e') };
    await api.problem('/v1/sites', 409, call);
  });

  test.each([
    ['', 400],
    ['k'.repeat(LIMITS.idempotencyKeyLength), 201],
    ['k'.repeat(LIMITS.idempotencyKeyLength + 1), 400],
  ])('the key %j: %d', async (text, status) => {
    await api.json('/v1/enrolments', status, { body: {}, headers: key(text) });
  });
});

describe('blobs', () => {
  const at = (digest: string): string => `/v1/blobs/${digest}`;

  test('are stored once, read whole and in part', async () => {
    const bytes = new TextEncoder().encode('flow');
    const digest = await api.blob(bytes);
    const again = await api.json(at(digest), 200, { method: 'PUT', body: bytes });
    expect(again).toEqual({ digest, bytes: 4 });
    const whole = await api.call(at(digest));
    expect(await whole.text()).toBe('flow');
    expect(whole.headers.get('etag')).toBe(`"${digest}"`);
    const part = await api.call(at(digest), { headers: { range: 'bytes=1-2' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1-2/4']);
    expect(await part.text()).toBe('lo');
    const known = await api.call(at(digest), { headers: { 'if-none-match': `"${digest}"` } });
    expect(known.status).toBe(304);
    const head = await api.call(at(digest), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '4']);
    const beyond = await api.call(at(digest), { headers: { range: 'bytes=4-' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */4']);
  });

  test('that are not what their name says are refused', async () => {
    const digest = `sha256-${'2'.repeat(64)}`;
    const { code } = await api.problem(at(digest), 422, { method: 'PUT', body: 'other bytes' });
    expect(code).toBe('DIGEST_MISMATCH');
    await api.problem(at(digest), 404);
    expect((await api.call(at(digest), { method: 'HEAD' })).status).toBe(404);
  });

  test('without a proper name are refused, and are not there', async () => {
    const { errors } = await api.problem(at('sha256-XYZ'), 422, { method: 'PUT', body: 'x' });
    expect(errors?.[0]?.path).toBe('digest');
    await api.problem(at('sha256-XYZ'), 404);
  });
});
