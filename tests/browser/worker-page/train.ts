import { serveTasks } from '../../../client-kit/src/worker.ts';

serveTasks(({ task, params = new Map() }) => {
  while (task.data['do'] === 'hang');
  const data = params.get('w')?.data;
  if (data) data[0] = 7;
  return { params };
});
