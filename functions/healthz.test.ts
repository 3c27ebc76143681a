import { expect, test } from 'vitest';
import { newTokenKey } from '../scripts/keys.ts';
import { createApp } from './app.ts';

const objects = { idFromName: () => '', get: () => ({ ping: () => Promise.resolve(true) }) };

/** The status with such an admin token, and what an admin route answers to it. */
const ask = async (ADMIN_TOKEN: string): Promise<readonly [healthz: number, admin: number]> => {
  const env = {
    JOB: objects,
    DIRECTORY: objects,
    BLOB: objects,
    TOKEN_KEY: newTokenKey(),
    ADMIN_TOKEN,
  };
  const app = createApp();
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const admin = await app.request('/v1/jobs?limit=none', { headers }, env);
  return [(await app.request('/healthz', {}, env)).status, admin.status];
};

test.each(['tadmin_x', 'a.b~c+d/e-f=='])('%j is an admin token', async (token) => {
  // 400: let in, and then refused for its query.
  expect(await ask(token)).toEqual([200, 400]);
});

test.each(['two words', 'münchen', 'a:b', ''])(
  'the server is not well whose admin could never speak to it: %j',
  async (token) => {
    expect(await ask(token)).toEqual([503, 401]);
  },
);
