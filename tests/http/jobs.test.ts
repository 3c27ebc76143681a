import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnalyticsRecord } from '../../core/protocol/analytics.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Api, matrix, sumJob } from './api.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
let model: string;
let site: string;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  model = await api.blob(matrix([1, 2, 3, 4], [2, 2]));
  site = await api.site('alpha');
});
afterAll(() => server.stop());

describe('lists', () => {
  test('jobs come newest first, in pages that join', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift(await api.submit(sumJob(model, { name: `n${i}` })));
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const list = await api.json<{ jobs: { id: string }[]; next: string | null }>(
        `/v1/jobs?limit=2${cursor}`,
        200,
      );
      expect(list.jobs.length).toBeLessThanOrEqual(2);
      seen.push(...list.jobs.map(({ id }) => id));
      if (list.next === null) break;
      cursor = `&cursor=${encodeURIComponent(list.next)}`;
    }
    expect(seen.slice(0, 5)).toEqual(made);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe('one job', () => {
  let id: string;
  beforeAll(async () => {
    id = await api.submit(sumJob(model, { deploy: ['alpha'] }));
  });
  const view = () => api.json<JobView>(`/v1/jobs/${id}`, 200);

  test('has an ETag that a client can ask with', async () => {
    const response = await api.call(`/v1/jobs/${id}`);
    const etag = response.headers.get('etag') ?? '';
    const { version } = (await response.json()) as JobView;
    // Weak: the bytes may differ (`lastSeen`), the version doesn't.
    expect(etag).toBe(`W/"${version}"`);
    for (const known of [etag, `"${version}"`, `"0", ${etag}`, '*']) {
      const answer = await api.call(`/v1/jobs/${id}`, { headers: { 'if-none-match': known } });
      expect(answer.status, known).toBe(304);
    }
    const other = await api.call(`/v1/jobs/${id}`, { headers: { 'if-none-match': 'W/"0"' } });
    expect(other.status).toBe(200);
    const head = await api.call(`/v1/jobs/${id}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag')]).toEqual([200, etag]);
  });

  test('is waited for until its version grows', async () => {
    const { version } = await view();
    const waiting = api.json<JobView>(`/v1/jobs/${id}?wait=25&since=${version}`, 200);
    await api.json(`/v1/jobs/${id}/task`, 200, { token: site });
    expect((await waiting).version).toBeGreaterThan(version);
  });

  test('tells its sites of itself, and others nothing', async () => {
    await api.json(`/v1/jobs/${id}`, 200, { token: site });
    const stranger = await api.site('stranger');
    for (const path of ['', '/spec', '/task', '/models/global', `/blobs/${model}`]) {
      await api.problem(`/v1/jobs/${id}${path}`, 403, { token: stranger });
    }
  });

  test('takes values that a site logs, once each', async () => {
    const entry = (seq: number) => ({ seq, key: 'loss', value: seq / 2, step: seq });
    const body = { entries: [1, 2, 3].map(entry) };
    const metrics = `/v1/jobs/${id}/metrics`;
    await api.json(metrics, 200, { token: site, body });
    await api.json(metrics, 200, { token: site, body });
    const page = await api.json<{ metrics: AnalyticsRecord[]; next: string | null }>(
      `${metrics}?limit=2&key=loss&site=alpha`,
      200,
    );
    expect(page.metrics.map(({ value }) => value)).toEqual([0.5, 1]);
    const rest = await api.json(`${metrics}?cursor=${page.next ?? ''}`, 200);
    expect(rest).toMatchObject({ metrics: [{ site: 'alpha', value: 1.5, step: 3 }], next: null });
    const entries = Array.from({ length: LIMITS.metricsBatch + 1 }, (_, i) => entry(i));
    const { errors } = await api.problem(metrics, 422, { token: site, body: { entries } });
    expect(errors?.[0]?.path).toBe('entries');
    await api.json(metrics, 200, { token: site, body: { entries: entries.slice(1) } });
  });

  test('streams its events, from where a reader left off', async () => {
    const read = async (headers: Record<string, string>, until: RegExp): Promise<string> => {
      const stop = new AbortController();
      const response = await api.fetch(`${server.url}/v1/jobs/${id}/events`, {
        headers: { authorization: `Bearer ${ADMIN}`, ...headers },
        signal: stop.signal,
      });
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk);
        if (until.test(text)) break;
      }
      stop.abort();
      return text;
    };
    const all = await read({}, /event: task\n[^]*?\n\n/);
    expect(all).toMatch(/event: status/);
    const [, first] = /^id: (\d+)/m.exec(all) ?? [];
    const rest = await read({ 'last-event-id': first ?? '' }, /\n\n/);
    const [, next] = /^id: (\d+)/m.exec(rest) ?? [];
    expect(Number(next)).toBeGreaterThan(Number(first));
    expect((await api.call(`/v1/jobs/${id}/events`, { method: 'HEAD' })).status).toBe(405);
  });

  test('is cloned, aborted, and deleted', async () => {
    const twin = await api.json(`/v1/jobs/${id}/clone`, 201, { method: 'POST' });
    expect(await api.json(`/v1/jobs/${String(twin['id'])}`, 200)).toMatchObject({ clonedFrom: id });
    const aborted = await api.json(`/v1/jobs/${id}/abort`, 200, { method: 'POST' });
    expect(aborted).toMatchObject({ status: 'FINISHED:ABORTED' });
    expect(await api.json(`/v1/jobs/${id}/task`, 200, { token: site })).toMatchObject({
      status: 'end',
    });
    const deleted = await api.call(`/v1/jobs/${id}`, { method: 'DELETE' });
    expect([deleted.status, await deleted.text()]).toEqual([204, '']);
    await api.problem(`/v1/jobs/${id}`, 404);
    await api.problem(`/v1/jobs/${id}`, 404, { method: 'DELETE' });
    await api.problem(`/v1/jobs/${id}/clone`, 404, { method: 'POST' });
    await api.problem(`/v1/jobs/${id}/task`, 404, { token: site });
    await api.json(`/v1/jobs/${String(twin['id'])}`, 200);
  });

  test('cannot be resumed where it was not suspended', async () => {
    const twin = await api.submit(sumJob(model));
    const response = await api.call(`/v1/jobs/${twin}/resume`, { method: 'POST' });
    expect([200, 409]).toContain(response.status);
  });
});
