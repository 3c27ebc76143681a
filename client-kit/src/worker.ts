/** Tasks done in a Worker or worker_thread: training never blocks the page, and an abort really stops it. */
export { inWorker } from './worker/in-worker.ts';
export type { InWorkerOptions } from './worker/in-worker.ts';
export { serveTasks } from './worker/serve-tasks.ts';
export type { App, AppTask } from './executors/app.ts';
export type { WorkerLike } from './worker/worker-port.ts';
