// Training in a thread of its own: this one stays free, and an abort ends it whatever it does.
import { Worker } from 'node:worker_threads';
import { MemoryStore, runSite } from '@tributary/client-kit';
import { inWorker } from '@tributary/client-kit/worker';

// train.ts, or train.js beside a site.js
const script = new URL(import.meta.url.replace(/site(?=\.\w+$)/, 'train'));
const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
await runSite({
  server: SERVER,
  name: NAME,
  enrolment: ENROLMENT,
  store: new MemoryStore(),
  app: inWorker(() => new Worker(script)),
  once: true,
});
