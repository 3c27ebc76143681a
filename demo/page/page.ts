/// <reference types="vite/client" />
import * as ort from 'onnxruntime-web/webgpu';
import mjs from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import { learningCurve } from '../../cli/src/learning-curve.ts';
import type { Device } from '../../client-kit/src/onnx.ts';
import { dropZone } from './drop-zone.ts';
import { datasetOf, programsFor, trainHere } from './session.ts';
import type { Choices } from './session.ts';

// A file of its own for ONNX Runtime's threads: else each would load this page's code.
ort.env.wasm.wasmPaths = { mjs, wasm };
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;

const LOSSES = [
  'softmax-cross-entropy',
  'bce-with-logits',
  'mse',
  'mae',
  'huber',
  'nll',
  'kl',
  'cosine',
];
const OPTIMIZERS = ['adam', 'sgd', 'adamw', 'rmsprop', 'adagrad'];
/** The picture is drawn anew at most this often. */
const DRAW_MS = 200;

const find = <T extends Element>(selector: string, kind: new () => T): T => {
  const found = document.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
};
const form = find('form', HTMLFormElement);
const about = find('#about', HTMLElement);
const examples = find('#examples', HTMLElement);
const output = find('output', HTMLElement);
const start = find('form button', HTMLButtonElement);
const stop = find('#stop', HTMLButtonElement);
const link = find('#trained', HTMLAnchorElement);
for (const [name, values] of [
  ['loss', LOSSES],
  ['optimizer', OPTIMIZERS],
] as const) {
  find(`[name=${name}]`, HTMLSelectElement).replaceChildren(
    ...values.map((value) => new Option(value)),
  );
}

interface Dropped {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}
let model: Dropped | undefined;
let data: Dropped | undefined;

const choices = (): Choices => {
  const given = new FormData(form);
  const text = (name: string): string => {
    const value = given.get(name);
    return typeof value === 'string' ? value : '';
  };
  return {
    loss: text('loss'),
    optimizer: text('optimizer'),
    lr: Number(text('lr')),
    batchSize: Number(text('batchSize')),
    epochs: Number(text('epochs')),
    device: text('device') as Device,
  };
};

/** Runs `make` and shows what it says there, or why it failed. */
const show = async (place: Element, make: () => string | Promise<string>): Promise<void> => {
  place.classList.remove('fault');
  try {
    place.textContent = await make();
  } catch (error) {
    place.classList.add('fault');
    place.textContent = error instanceof Error ? error.message : String(error);
  }
};

const examine = async (): Promise<void> => {
  start.disabled = true;
  const { name, bytes } = model ?? {};
  if (!bytes) return;
  await show(about, async () => {
    const { train, parameters } = await programsFor(bytes, choices());
    const { x } = train.manifest.inputs;
    const learnt = train.manifest.parameters.filter(({ role }) => role === 'trainable');
    return `${name} can be trained: ${learnt.length} of ${parameters.size} tensors learn; it takes ${x.input} ${x.dtype} [${x.shape.join(', ')}]`;
  });
  if (!data || about.classList.contains('fault')) return;
  const { name: file, bytes: content } = data;
  await show(examples, async () => {
    const { x } = datasetOf(file, content, await programsFor(bytes, choices()));
    return `${x.shape[0]} examples [${x.shape.slice(1).join(', ')}] from ${file}`;
  });
  start.disabled = examples.classList.contains('fault');
};

const dropped = async (file: File): Promise<Dropped> => ({
  name: file.name,
  bytes: new Uint8Array(await file.arrayBuffer()),
});
dropZone(find('#model', HTMLElement), async (file) => {
  model = await dropped(file);
  await examine();
});
dropZone(find('#data', HTMLElement), async (file) => {
  data = await dropped(file);
  await examine();
});
form.addEventListener('change', () => void examine());

const draw = (points: readonly (readonly [number, number])[]): void => {
  const series = [{ name: 'each step', colour: '#06c', points }];
  find('figure', HTMLElement).innerHTML = learningCurve([{ title: 'loss', x: 'step', series }]);
};

const train = async ({ name, bytes }: Dropped, { name: file, bytes: content }: Dropped) => {
  const wanted = choices();
  const programs = await programsFor(bytes, wanted);
  const dataset = datasetOf(file, content, programs);
  const points: [number, number][] = [];
  const halt = new AbortController();
  stop.addEventListener('click', () => halt.abort(new Error('stopped')), { once: true });
  let drawn = performance.now();
  const started = drawn;
  const outcome = await trainHere(
    ort,
    programs,
    dataset,
    wanted,
    halt.signal,
    (step, steps, loss) => {
      points.push([step, loss]);
      if (step < steps && performance.now() - drawn < DRAW_MS) return;
      drawn = performance.now();
      output.textContent = `step ${step} of ${steps}, loss ${loss.toFixed(4)}`;
      draw(points);
    },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  link.href = URL.createObjectURL(new Blob([outcome.model]));
  link.download = name.replace(/(\.onnx)?$/, '-trained.onnx');
  link.hidden = false;
  const { device, steps, loss, accuracy } = outcome;
  const found = [
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${accuracy.toFixed(4)}`]),
  ];
  return `${steps} steps on ${device} in ${seconds} s; on the tenth held out: ${found.join(', ')}`;
};

const run = async (): Promise<void> => {
  const [net, file] = [model, data];
  if (!net || !file) return;
  [start.disabled, stop.disabled, link.hidden] = [true, false, true];
  await show(output, () => train(net, file));
  [start.disabled, stop.disabled] = [false, true];
};
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});
