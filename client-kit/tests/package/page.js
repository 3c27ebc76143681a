// A page that is a site: what a stranger would write, and the test's `say`.
import { runSite } from '@tributary/client-kit/browser';
import * as ort from 'onnxruntime-web/wasm';

const query = new URLSearchParams(location.search);
ort.env.wasm.wasmPaths = query.get('wasm');
ort.env.wasm.numThreads = 1;

const bytes = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());

runSite({
  server: query.get('server'),
  enrolment: query.get('enrolment'),
  name: 'page',
  ort,
  data: async () => ({
    x: { data: await bytes('/images.bin'), shape: [1000, 1, 28, 28] },
    y: Int32Array.from(await bytes('/labels.bin')),
  }),
  onEvent: (event) => {
    const { type, task, reason, status, error, cause } = event;
    console.log(
      JSON.stringify({
        type,
        round: task?.round,
        reason,
        status,
        error: String(error ?? cause ?? ''),
      }),
    );
  },
}).catch((error) => console.log(JSON.stringify({ type: 'died', error: String(error) })));
