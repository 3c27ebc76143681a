// The site: the kit's whole loop, in a worker, so that training never blocks the page.
import { runSite } from '../../../client-kit/src/browser.ts';
import { ProblemError } from '../../../client-kit/src/index.ts';
import type { SiteEvent } from '../../../client-kit/src/index.ts';
import { datasetFor } from './data.ts';
import { keptFiles, STORAGE } from './memory.ts';
import { hasGpu, loadRuntime, threads } from './runtime.ts';
import type { Order, Report } from './site-message.ts';

const stop = new AbortController();
/** Tasks taken and not answered yet. */
const atHand = new Set<string>();
let finishing = false;

const tell = (report: Report): void => postMessage(report);

const rest = (): void => {
  if (finishing && atHand.size === 0) stop.abort();
};

const hear = (event: SiteEvent): void => {
  if (event.type === 'task') atHand.add(event.task.id);
  if (event.type === 'submitted') atHand.delete(event.taskId);
  if (event.type === 'aborted') atHand.delete(event.task.id);
  tell({ type: 'event', event });
  rest();
};

const serve = async (order: Extract<Order, { type: 'start' }>): Promise<void> => {
  const { server, name, enrolment, data } = order;
  try {
    await runSite({
      server,
      name,
      enrolment,
      storage: STORAGE,
      capabilities: { runtime: 'browser', webgpu: await hasGpu(), threads: threads() },
      ort: loadRuntime,
      data: async ({ spec }) => datasetFor(await keptFiles(data), spec),
      onEvent: hear,
      signal: stop.signal,
    });
    tell({ type: 'stopped' });
  } catch (error) {
    const status = error instanceof ProblemError ? error.status : undefined;
    const message = error instanceof ProblemError ? error.problem.detail : String(error);
    tell({ type: 'failed', message, status });
  }
};

addEventListener('message', ({ data: order }: MessageEvent<Order>) => {
  if (order.type === 'start') void serve(order);
  else if (order.type === 'stop') stop.abort();
  else {
    finishing = order.type === 'finish';
    rest();
  }
});
