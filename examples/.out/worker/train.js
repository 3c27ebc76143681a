// What the worker does: the same in a browser's.
import { serveTasks } from '@tributary/client-kit/worker';
import { accuracy, dataOf, train } from '../softmax/softmax.js';
serveTasks(({ task, params, resources }) => {
  if (!params) throw new Error(`${task.name} came without a model`);
  const data = dataOf(resources.site);
  const metrics = accuracy(params, data);
  if (task.name === 'validate') return { metrics };
  const steps = train(params, data);
  return { params, metrics, meta: { NUM_STEPS_CURRENT_ROUND: steps } };
});
