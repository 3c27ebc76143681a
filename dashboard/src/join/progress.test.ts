import { expect, test } from 'vitest';
import type { SiteEvent, TaskInfo } from '../../../client-kit/src/index.ts';
import { after, BEGUN } from './progress.ts';
import type { Progress } from './progress.ts';

const task: TaskInfo = { id: 't', name: 'train', workflow: 'w', round: 1, totalRounds: 3 };
const told = (...events: readonly SiteEvent[]): Progress =>
  events.reduce((progress, event) => after(progress, event, 5), BEGUN);
const submitted = { type: 'submitted', job: 'j', taskId: 't', task, bytes: 1500 } as const;

test('milestones are said, steps are not', () => {
  const training = told({ type: 'task', job: 'j', task });
  expect(training.status).toBe('Training, round 2 of 3');
  const step = { type: 'step', job: 'j', task, step: 3, steps: 9, loss: 0.5 } as const;
  const stepped = after(training, step, 5);
  expect(stepped.status).toBe(training.status);
  expect(stepped.step).toMatchObject({ step: 3, steps: 9, loss: 0.5 });
});

test('everything that goes over the wire is in the log; what counted is counted', () => {
  const progress = told(
    { type: 'received', job: 'j', task, digest: 'd', bytes: 400, cached: false },
    { type: 'received', job: 'j', task, digest: 'd', bytes: 400, cached: true },
    { ...submitted, status: 'accepted', returnCode: 'OK' },
    { ...submitted, status: 'late', returnCode: 'OK' },
  );
  expect(progress).toMatchObject({ sent: 1, up: 3000, down: 400 });
  expect(progress.log.map(({ what, bytes }) => [what, bytes])).toEqual([
    ['Sent: Change to the model (late, OK)', 1500],
    ['Sent: Change to the model', 1500],
    ['Received: model, round 2 of 3', 400],
  ]);
});

test('the innermost reason of a failure stays until something succeeds', () => {
  const cause = new Error('small.npz: expected 28, got 14');
  const error = new Error('the data can not be read', { cause });
  const failed = told(
    { type: 'failed', job: 'j', task, returnCode: 'BAD_TASK_DATA', error },
    { ...submitted, status: 'accepted', returnCode: 'BAD_TASK_DATA' },
  );
  expect(failed).toMatchObject({ trouble: cause.message, sent: 0 });
  const better = after(failed, { ...submitted, status: 'accepted', returnCode: 'OK' }, 5);
  expect(better).toMatchObject({ trouble: null, sent: 1 });
});
