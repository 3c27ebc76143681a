import { setTimeout as sleep } from 'node:timers/promises';
import { serveTasks } from '../../src/worker.ts';
import { TaskError } from '../../src/task-error.ts';

/** What a task is told to do: its `data.do`. */
serveTasks(async ({ task, params, args, resources, signal, rng, report, log }) => {
  const { store } = resources;
  switch (task.data['do']) {
    case 'hang':
      for (;;);
    case 'wait':
      await sleep(60_000, undefined, { signal });
      break;
    case 'refuse':
      throw new TaskError('UNSAFE_JOB', 'not here', [{ path: 'x', expected: 'a', got: 'b' }]);
    case 'fall':
      throw new Error('of the data: 42');
    case 'die':
      process.exit(3);
  }
  const tensor = params?.get('w');
  const data = tensor?.data as Float32Array;
  data[0] = 100;
  report({ type: 'step', step: 1, steps: 1, loss: 0.5 });
  log('loss', 0.5, { step: 1 });
  const before = await store.read('seen');
  await store.write('seen', [Uint8Array.of(1)]);
  const { x } = await resources.data();
  return {
    ...(params && { params }),
    meta: {
      random: (await rng('dice'))(),
      site: resources.site,
      rows: x.shape[0],
      args,
      before: before?.size ?? null,
      keys: await store.list(''),
    },
  };
});
