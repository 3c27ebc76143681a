// Submits a job that trains the softmax regression at two sites, and prints its id.
import { createHash } from 'node:crypto';
import { encode } from '@tributary/client-kit';

const { SERVER = 'http://127.0.0.1:8787', ADMIN_TOKEN } = process.env;
const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };

const zeros = (...shape: number[]) =>
  ({ dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }) as const;
const model = encode(
  new Map([
    ['w', zeros(3, 4)],
    ['b', zeros(3)],
  ]),
);
const digest = `sha256-${createHash('sha256').update(model).digest('hex')}`;
await fetch(`${SERVER}/v1/blobs/${digest}`, { method: 'PUT', headers, body: model });
const job = {
  name: 'softmax regression',
  minSites: 2,
  model: digest,
  workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 3, paramsType: 'FULL' } }],
  executors: [{ tasks: ['*'], use: 'app' }],
};
const answer = await fetch(`${SERVER}/v1/jobs`, {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify(job),
});
if (!answer.ok) throw new Error(await answer.text());
console.log(((await answer.json()) as { id: string }).id);
