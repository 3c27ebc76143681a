import { expect, test } from 'vitest';
import * as v from 'valibot';
import { AnalyticsBatch } from '../../core/protocol/analytics.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { Analytics } from './analytics.ts';
import { Connection } from './connection.ts';
import { MemoryStore } from './store.ts';

const start = (store = new MemoryStore()) => {
  const server = new FakeServer();
  server.addJob('j', {}, []);
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    fetch: server.fetch,
    pause: () => Promise.resolve(),
  });
  return { server, store, life: () => new Analytics(connection, store, 'j') };
};

test('numbers go on in the next life of the site, and are never used twice', async () => {
  const { server, life } = start();
  const first = life();
  first.log('loss', 1);
  first.log('loss', 2, { step: 3 });
  await first.flush();
  const second = life();
  second.log('note', 'restarted', { type: 'TEXT' });
  await second.flush();
  expect(server.metrics).toMatchObject([
    { seq: 0, key: 'loss', value: 1, type: 'SCALAR' },
    { seq: 1, key: 'loss', value: 2, step: 3 },
    { seq: 10_000, key: 'note', value: 'restarted', type: 'TEXT' },
  ]);
});

test('a batch whose answer was lost is sent again under the same numbers', async () => {
  const { server, life } = start();
  server.trouble('POST', /metrics/, 'lose-answer');
  const analytics = life();
  analytics.log('loss', 1);
  await analytics.flush();
  expect(server.metrics.map(({ seq }) => seq)).toEqual([0, 0]);
});

test('a thousand go in a batch, and a refusal fails nothing', async () => {
  const { server, life } = start();
  const analytics = life();
  for (let i = 0; i < 1500; i++) analytics.log('loss', i);
  await analytics.flush();
  expect(server.count('POST', /metrics/)).toBe(2);
  expect(server.metrics).toHaveLength(1500);
  server.trouble('POST', /metrics/, () => problem(422, 'INVALID'));
  analytics.log('loss', 0);
  await analytics.flush();
  expect(server.metrics).toHaveLength(1500);
});

test.each([0, 1])('LIMITS.metricsWaiting values wait; of %i more, the oldest go', async (more) => {
  const { server, life } = start();
  const analytics = life();
  const logged = LIMITS.metricsWaiting + more;
  for (let i = 0; i < logged; i++) analytics.log('loss', i);
  await analytics.flush();
  const values = server.metrics.map(({ value }) => value);
  expect(values).toEqual(Array.from({ length: LIMITS.metricsWaiting }, (_, i) => i + more));
});

test('what can not be sent now waits, in order and under its numbers', async () => {
  const { server, life } = start();
  const analytics = life();
  analytics.log('loss', 1);
  server.trouble('POST', /metrics/, 'lose-request', 3);
  await analytics.flush();
  analytics.log('loss', 2);
  await analytics.flush();
  expect(server.metrics.map(({ seq, value }) => [seq, value])).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

test('one value that the server would refuse does not take its batch with it', async () => {
  const { server, life } = start();
  const analytics = life();
  analytics.log('loss', NaN);
  analytics.log('loss', -Infinity, { step: 0.5 });
  analytics.log('losses', { a: 1, b: NaN }, { type: 'SCALARS' });
  analytics.log('k'.repeat(LIMITS.metricKeyLength + 1), 1);
  analytics.log('note', '\u{1f600}'.repeat(LIMITS.metricTextLength), { type: 'TEXT' });
  const many = Array.from({ length: LIMITS.fields + 1 }, (_, i) => [`${i}`.padStart(200), i]);
  analytics.log('many', Object.fromEntries(many) as Record<string, number>);
  analytics.log('', 1);
  await analytics.flush();
  const entries = server.metrics.map((entry) => structuredClone(entry));
  expect(v.is(AnalyticsBatch, { entries })).toBe(true);
  expect(entries.map(({ value }) => value).slice(0, 3)).toEqual(['NaN', '-Infinity', { a: 1 }]);
  expect(entries).toHaveLength(6);
});

test('a batch is no longer than the server takes', async () => {
  const { server, life } = start();
  const analytics = life();
  for (let i = 0; i < 500; i++) analytics.log('note', 'é'.repeat(LIMITS.metricTextLength));
  await analytics.flush();
  expect(server.metrics).toHaveLength(500);
  expect(Math.max(...server.requests.map(({ bytes }) => bytes))).toBeLessThan(LIMITS.jsonBytes);
});
