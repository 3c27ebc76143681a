import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobView } from '../../core/protocol/job-status.ts';
import type { PollAnswer } from '../../core/protocol/task.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import { Api, matrix, sumJob } from './api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
});
afterAll(() => server.stop());

test('a job from enrolment to the final model, over HTTP alone', async () => {
  const token = await api.site('alpha');
  const model = await api.blob(matrix([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]));
  const spec = sumJob(model, {
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 3, selection: 'none' } }],
  });
  const id = await api.submit(spec);
  expect(await api.json('/v1/inbox', 200, { token })).toMatchObject({
    jobs: [{ id }],
    retryAfter: 1,
  });

  for (let round = 0; round < 3; round++) {
    const answer = await api.json<PollAnswer>(`/v1/jobs/${id}/task?wait=10`, 200, { token });
    if (answer.status !== 'task') throw new Error(`${answer.status} in round ${round}`);
    const { task } = answer;
    expect(task).toMatchObject({ name: 'train', round, totalRounds: 3, job: id });
    const lease = await api.json(task.lease.url, 200, { token, method: 'POST' });
    expect(lease).toMatchObject({ status: 'open' });
    const received = await api.call(task.model?.url ?? '', { token });
    expect(received.headers.get('etag')).toBe(`"${task.model?.digest}"`);
    const decoded = decode(new Uint8Array(await received.arrayBuffer()));
    if (!decoded.ok) throw new Error(decoded.error.reason);
    const values = [...(decoded.value.tensors.get('w')?.data ?? [])].map(Number);
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((v) => v + round));
    const meta = { NUM_STEPS_CURRENT_ROUND: 2 };
    const result = matrix(
      values.map((v) => v + 1),
      [3, 3],
      { params_type: 'FULL', meta },
    );
    const sent = await api.putResult(task.resultUrl, token, result);
    expect(await sent.json()).toEqual({ status: 'accepted' });
    const again = await api.putResult(task.resultUrl, token, result);
    expect(await again.json()).toEqual({ status: 'duplicate' });
  }

  const end = await api.json<PollAnswer>(`/v1/jobs/${id}/task?wait=10`, 200, { token });
  expect(end.status).toBe('end');
  const view = await api.json<JobView>(`/v1/jobs/${id}`, 200);
  expect(view.status).toBe('FINISHED:COMPLETED');
  const final = await api.call(`/v1/jobs/${id}/models/global`);
  const tensors = decode(new Uint8Array(await final.arrayBuffer()));
  if (!tensors.ok) throw new Error(tensors.error.reason);
  expect([...(tensors.value.tensors.get('w')?.data ?? [])]).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);

  const stored = await api.json(`/v1/jobs/${id}/spec`, 200, { token });
  expect(stored).toMatchObject({ name: 'sum', model, seed: 0, deploy: ['@all'] });
  const jobs = await api.json('/v1/jobs', 200);
  expect(jobs).toMatchObject({
    jobs: [{ id, name: 'sum', status: 'FINISHED:COMPLETED' }],
    next: null,
  });
});
