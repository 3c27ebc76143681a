import { withOperator, tensors, update } from './crowd.ts';
import { withServer } from './server.ts';

/** The whole server through one round of big models: what moved how fast, and the most memory it ever took. */
export const productRows = (mib: number, sites: number): Promise<string[][]> =>
  withServer((server) =>
    withOperator(server, async (operator) => {
      const bytes = mib * 2 ** 20;
      const rows: string[][] = [];
      const measured = async (
        what: string,
        moved: number,
        action: () => Promise<unknown>,
      ): Promise<void> => {
        const start = performance.now();
        await action();
        const speed = moved / 1e6 / ((performance.now() - start) / 1000);
        const { peak } = await server.memory();
        rows.push([what, moved > 0 ? speed.toFixed(0) : '', peak.toFixed(0)]);
      };
      await measured('the server, idle', 0, async () => {});
      const spec = {
        name: 'bytes',
        minSites: sites,
        workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1 } }],
        executors: [{ tasks: ['*'], use: 'app' }],
      };
      let job = '';
      await measured('blob up, job made of it', bytes, async () => {
        job = await operator.submit(spec, tensors(bytes, 0));
      });
      const crowd = await operator.enrol(Array.from({ length: sites }, (_, i) => `site-${i}`));
      const body = update(bytes, 0.001);
      const given = await Promise.all(crowd.map((site) => site.task(job)));
      const each = (action: (i: number) => Promise<unknown>) => () =>
        Promise.all(crowd.map((_, i) => action(i)));
      const taskOf = (i: number) => {
        const task = given[i]?.task;
        if (!task?.model) throw new Error('a site was given no model');
        return { ...task, model: task.model };
      };
      await measured(
        `${sites} downloads at once`,
        sites * bytes,
        each(async (i) => crowd[i]?.download(taskOf(i))),
      );
      await measured(
        `${sites} results at once`,
        sites * bytes,
        each(async (i) => crowd[i]?.submit(taskOf(i), body)),
      );
      await measured(
        'the rest of the fold',
        0,
        each(async (i) => crowd[i]?.task(job)),
      );
      await measured(
        `${sites} downloads of the new model`,
        sites * bytes,
        each(async (i) => {
          const task = taskOf(i);
          const model = { ...task.model, url: `/v1/jobs/${job}/models/global` };
          await crowd[i]?.download({ ...task, model });
        }),
      );
      for (const site of crowd) site.close();
      return rows;
    }),
  );
