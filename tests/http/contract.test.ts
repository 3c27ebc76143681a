import { afterAll, beforeAll, expect, test } from 'vitest';
import { Contract, type Exchange } from './contract.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

// What every other suite leans on must itself be able to fail.

let server: Server;
let contract: Contract;
beforeAll(async () => {
  server = await startServer();
  contract = await Contract.of(server.url);
});
afterAll(() => server.stop());

const problem = { type: 'x', title: 't', status: 404, detail: 'd', code: 'C' };
const answer = (changes: {
  method?: string;
  path?: string;
  status?: number;
  media?: string;
  id?: string;
  body?: unknown;
}): Exchange => {
  const {
    method = 'GET',
    path = '/v1/inbox',
    status = 200,
    media = 'application/json',
    id = '1',
  } = changes;
  return {
    method,
    url: `${server.url}${path}`,
    status,
    headers: new Headers({ 'content-type': media, ...(id === '' ? {} : { 'x-request-id': id }) }),
    text: async () => JSON.stringify(changes.body ?? { jobs: [], retryAfter: 1 }),
  };
};

test('an answer as the document has it passes', async () => {
  await contract.check(answer({}));
  await contract.check(
    answer({ status: 404, media: 'application/problem+json', body: problem, path: '/nowhere' }),
  );
  expect([...contract.seen]).toEqual(['GET /v1/inbox 200']);
});

test.each<[what: string, changes: Parameters<typeof answer>[0], why: string]>([
  ['a field missing', { body: { jobs: [] } }, "must have required property 'retryAfter'"],
  ['a field of another type', { body: { jobs: 1, retryAfter: 1 } }, 'must be array'],
  ['another media type', { media: 'text/html' }, 'text/html instead of application/json'],
  ['a status that is not described', { status: 204 }, 'not described'],
  ['a path that is not described', { path: '/v1/secret' }, 'not in the OpenAPI document'],
  ['a method that is not described', { method: 'PUT' }, 'not in the OpenAPI document'],
  ['an error that is no problem', { status: 500 }, 'an error as application/json'],
  [
    'a problem of another status',
    { status: 500, media: 'application/problem+json', body: problem },
    'the problem says 404',
  ],
  ['no request id', { id: '' }, 'no X-Request-Id'],
])('%s does not', async (_, changes, why) => {
  await expect(contract.check(answer(changes))).rejects.toThrow(why);
});
