import { expect, test } from 'vitest';
import { addOne, newJob } from '../tests/workerd/job-fixture.ts';
import type { TestJob } from '../tests/workerd/job-fixture.ts';

/** Sites poll in turns and train until the job has ended. -> the final model */
async function helloNumpy(job: TestJob, type: 'FULL' | 'DIFF', sites: Record<string, number>) {
  for (let turns = 0; turns < 50; turns++) {
    let ended = 0;
    for (const [name, steps] of Object.entries(sites)) {
      const { status, task } = await job.poll(name);
      if (status === 'end') ended++;
      if (!task) continue;
      const answer =
        task.name === 'train'
          ? await addOne(job, name, task, { type, steps })
          : await job.reply(name, task.id, { metrics: { accuracy: { sum: 2, count: 2 } } });
      expect(answer).toEqual({ status: 'accepted' });
    }
    if (ended === Object.keys(sites).length) break;
  }
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  return { view, model: await job.model(view.models['global']) };
}

for (const type of ['FULL', 'DIFF'] as const) {
  for (const evict of [false, true]) {
    test(`hello-numpy, ${type}${evict ? ', evicted after every call' : ''}`, async () => {
      const job = await newJob({}, { sites: ['site-1', 'site-2'], evict });
      const { model, view } = await helloNumpy(job, type, { 'site-1': 2, 'site-2': 5 });
      expect(model).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(view.results['train']).toMatchObject({
        rounds: 3,
        best: { metric: 'accuracy', value: 1, round: 3 },
      });
    });
  }
}
