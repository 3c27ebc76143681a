import { MemoryStore, runSite } from '../../../client-kit/src/index.ts';
import type { SiteEvent } from '../../../client-kit/src/index.ts';
import { inWorker } from '../../../client-kit/src/worker.ts';

declare global {
  /** What the test looks at. */
  var events: SiteEvent[];
  var ticks: number;
  var done: boolean;
}

globalThis.events = [];
globalThis.ticks = 0;
globalThis.done = false;
setInterval(() => globalThis.ticks++, 10);
void runSite({
  server: location.origin,
  name: 'a-page',
  enrolment: 'ticket',
  store: new MemoryStore(),
  app: inWorker(() => new Worker('/train.js', { type: 'module' }), { graceMS: 200 }),
  onEvent: (event) => globalThis.events.push(event),
  once: true,
}).then(() => (globalThis.done = true));
