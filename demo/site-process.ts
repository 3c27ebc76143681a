// A site of the demo: a process of its own that runs the client kit on its own shard and nothing else.
import * as ort from 'onnxruntime-web';
import { readExamples } from '../cli/src/data/registry.ts';
import { FileStore } from '../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../client-kit/src/site.ts';
import type { SiteMessage, SiteStart } from './site-message.ts';

const tell = (message: SiteMessage): void => {
  if (process.connected) process.send?.(message);
};

/** `fetch` that counts what goes over the wire: bodies only, and only where an answer came. */
const counting = async (url: string, init: RequestInit): Promise<Response> => {
  const { body } = init;
  const up =
    body instanceof Blob ? body.size : typeof body === 'string' ? Buffer.byteLength(body) : 0;
  const answer = await fetch(url, init);
  if (up > 0) tell({ type: 'bytes', up, down: 0 });
  if (!answer.body) return answer;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(part, out) {
      tell({ type: 'bytes', up: 0, down: part.length });
      out.enqueue(part);
    },
  });
  const { status, statusText, headers } = answer;
  return new Response(answer.body.pipeThrough(count), { status, statusText, headers });
};

const start = JSON.parse(process.argv[2] ?? '') as SiteStart;
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
process.on('SIGINT', () => stop.abort());

// The sites share one machine here; a thread each is enough, and the same bits on every machine.
ort.env.wasm.numThreads = 1;
try {
  const { x, y, format } = await readExamples(start.data);
  tell({ type: 'data', examples: y.length, format });
  await runSite({
    server: start.server,
    name: start.name,
    enrolment: start.enrolment,
    store: new FileStore(start.state),
    data: () => ({ x, y }),
    ort,
    fetch: counting,
    signal: stop.signal,
    onEvent: (event) => tell({ type: 'event', event }),
  });
} catch (error) {
  tell({ type: 'failed', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
