// A site that trains a real network on real digits with ONNX Runtime, on one WASM thread.
import { digits } from '../../client-kit/tests/digits.ts';
import { serveSite, siteJob } from './serve-site.ts';

const EXAMPLES = 600;
const job = siteJob();
/** `crew-3-b` has the fourth crew's second share of the digits. */
const [, crew = '0', letter = 'a'] = /(\d+)-([a-z])$/.exec(job.name) ?? [];
const share = (Number(crew) * 4 + letter.charCodeAt(0) - 97) * EXAMPLES;

await serveSite(job, {
  data: () => digits('train', share, share + EXAMPLES),
  ort: async () => {
    const ort = await import('onnxruntime-web');
    ort.env.wasm.numThreads = 1;
    return ort;
  },
});
