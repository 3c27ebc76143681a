import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { stepsPerRun } from '../../../client-kit/src/trainers/onnx/batches.ts';
import {
  constant,
  cosine,
  linear,
  warmup,
} from '../../../client-kit/src/trainers/onnx/schedule.ts';
import type { Schedule } from '../../../client-kit/src/trainers/onnx/schedule.ts';
import { Trainer } from '../../../client-kit/src/trainers/onnx/trainer.ts';
import { forward, looped } from '../../../core/onnx/index.ts';
import { encode } from '../../../core/tensors/safetensors.ts';
import type { Command } from '../command.ts';
import { fitted } from '../data/fit.ts';
import { readData } from '../data/registry.ts';
import { CommandError } from '../exit-code.ts';
import { learningCurve } from '../learning-curve.ts';
import type { Chart, Series } from '../learning-curve.ts';
import { trainLocally } from '../local-training.ts';
import type { Epoch, History, Means, Progress } from '../local-training.ts';
import { modelFile, programsOrFail } from '../model-file.ts';
import type { Options } from '../options.ts';
import { bytesText } from '../output.ts';
import { TRAINING_OPTIONS } from '../training-options.ts';

const SCHEDULES = { constant, linear, cosine } as const;
/** How often a line about the step is written where there is no terminal to draw a bar on. */
const SAY_MS = 5000;
const BAR = 24;
/** Steps in one run from which on a loop of them is worth it. */
const LOOP_FROM = 4;

const scheduleOf = (options: Options): Schedule => {
  const rate = options.number('lr') ?? 0.01;
  const text = options.text('schedule') ?? 'constant';
  const make = Object.entries(SCHEDULES).find(([name]) => name === text)?.[1];
  if (!make) {
    const expected = Object.keys(SCHEDULES).join(', ');
    throw new CommandError(
      'usage',
      `option --schedule: expected one of ${expected}, got '${text}'`,
    );
  }
  const steps = options.number('warmup', { integer: true }) ?? 0;
  return steps > 0 ? warmup(steps, make(rate)) : make(rate);
};

const numbers = (options: Options, name: string): readonly number[] | undefined => {
  const text = options.text(name);
  const values = text?.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (!values || values.every(Number.isFinite)) return values;
  throw new CommandError('usage', `option --${name}: expected numbers with commas, got '${text}'`);
};

const meansText = (means: Means): string =>
  Object.entries(means)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join('  ');

const epochText = ({ epoch, train, validation }: Epoch, epochs: number): string =>
  `epoch ${epoch}/${epochs}  ${meansText(train)}${validation ? `  validation ${meansText(validation)}` : ''}`;

const barText = ({ epoch, epochs, step, steps, loss }: Progress): string => {
  const full = Math.round((BAR * step) / steps);
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  return `epoch ${epoch}/${epochs}  ${bar}  ${step}/${steps}  loss ${loss.toFixed(4)}`;
};

/** Loss by step; and each other metric by epoch. */
const chartsOf = (title: string, { epochs, losses }: History): Chart[] => {
  const line = (name: string, of: (epoch: Epoch) => Means | undefined, metric: string): Series => ({
    name,
    colour: name === 'validation' ? '#c40' : '#06c',
    points: epochs.flatMap((epoch) => {
      const value = of(epoch)?.[metric];
      return value === undefined ? [] : [[epoch.steps, value] as const];
    }),
  });
  const both = (metric: string): Series[] =>
    [
      line('training', ({ train }) => train, metric),
      line('validation', ({ validation }) => validation, metric),
    ].filter(({ points }) => points.length > 0);
  const steps: Series = { name: 'each step', colour: '#06c', faint: true, points: losses };
  const others = Object.keys(epochs[0]?.train ?? {}).filter((metric) => metric !== 'loss');
  return [
    { title: `${title}: loss`, x: 'step', series: [steps, ...both('loss')] },
    ...others.map((metric) => ({ title: metric, x: 'step', series: both(metric) })),
  ];
};

export const modelTrain: Command = {
  name: 'model train',
  summary: 'Train an ONNX model here, on a file or folder of examples, with no server',
  args: ['model.onnx'],
  options: {
    data: {
      type: 'string',
      value: 'PATH',
      help: 'npz, Parquet, IDX, CSV or a folder of images by class (needed)',
    },
    out: { type: 'string', short: 'o', value: 'FILE', help: 'trained model (NAME-trained.onnx)' },
    weights: { type: 'string', value: 'FILE', help: 'the trained weights alone, as safetensors' },
    curve: { type: 'string', value: 'FILE', help: 'a picture of how it learnt, as SVG' },
    validation: { type: 'string', value: 'PATH', help: 'examples to validate on, like --data' },
    'validation-fraction': {
      type: 'string',
      value: 'F',
      help: 'part of --data held out instead (0.1)',
    },
    epochs: { type: 'string', value: 'N', help: 'passes over the examples (1)' },
    'batch-size': { type: 'string', value: 'N', help: 'examples a step (32)' },
    lr: { type: 'string', value: 'RATE', help: 'learning rate (0.01)' },
    schedule: { type: 'string', value: 'NAME', help: 'of the rate: constant, linear, cosine' },
    warmup: { type: 'string', value: 'N', help: 'steps in which the rate rises first (0)' },
    seed: { type: 'string', value: 'N', help: 'seed of everything random (0)' },
    threads: { type: 'string', value: 'N', help: 'of ONNX Runtime; one repeats to the byte (1)' },
    label: { type: 'string', value: 'COLUMN', help: 'label column of a table' },
    classes: { type: 'string', value: 'A,B,...', help: 'class names in order' },
    scale: { type: 'string', value: 'S', help: 'factor of each number (bytes: 1/255)' },
    mean: { type: 'string', value: 'M,...', help: 'subtracted after that, per channel' },
    std: { type: 'string', value: 'S,...', help: 'divided by after that, per channel' },
    ...TRAINING_OPTIONS,
  },
  details:
    'What is written is an ordinary ONNX model with the trained weights inside, which can be trained again.',
  async run({ args, options, out, signal }) {
    const file = args['model.onnx'] ?? '';
    const data = options.required('data');
    const lr = scheduleOf(options);
    const whole = (name: string, otherwise: number, min = 1): number =>
      options.number(name, { min, integer: true }) ?? otherwise;
    const [epochs, batchSize] = [whole('epochs', 1), whole('batch-size', 32)];
    const [seed, threads] = [whole('seed', 0, 0), whole('threads', 1)];
    const fit = {
      scale: options.number('scale'),
      mean: numbers(options, 'mean'),
      std: numbers(options, 'std'),
    };
    const programs = await programsOrFail(await modelFile(file), options);
    const { manifest } = programs.train;
    const [batch, width, ...rest] = programs.predict.manifest.outputs?.[0]?.shape ?? [];
    const counted = batch !== undefined && rest.length === 0 && typeof width === 'number';
    const read = async (path: string) => {
      const label = options.text('label');
      const classes = options.text('classes')?.split(',');
      const loaded = await readData(path, {
        ...(label !== undefined && { label }),
        ...(classes && { classes }),
        numbers: manifest.inputs.y?.dtype === 'F32',
      });
      return {
        loaded,
        dataset: fitted(path, loaded, manifest, counted ? { ...fit, classes: width } : fit),
      };
    };
    const { loaded, dataset } = await read(data);
    const apart = options.text('validation');
    const validation = apart === undefined ? undefined : (await read(apart)).dataset;
    const { shape } = dataset.x;
    out.progress(`${shape[0]} examples [${shape.slice(1).join(', ')}] from ${loaded.format}`);
    if (loaded.classes)
      out.progress(`classes: ${loaded.classes.map((c, i) => `${i} ${c}`).join(', ')}`);
    const ort = await import('onnxruntime-web');
    ort.env.wasm.numThreads = threads;
    const loop =
      stepsPerRun(manifest, dataset, batchSize) < LOOP_FROM ? undefined : looped(programs.train);
    const parts = { ...programs, train: loop?.ok ? loop.value : programs.train };
    const trainer = await Trainer.load(ort, parts, { device: 'wasm' });
    const started = performance.now();
    let said = started;
    const history = await trainLocally({
      trainer,
      dataset,
      validation,
      validationFraction: options.number('validation-fraction') ?? 0.1,
      epochs,
      batchSize,
      lr,
      seed,
      signal,
      onStep: (progress) => {
        out.passing(barText(progress));
        if (out.terminal || performance.now() - said < SAY_MS) return;
        said = performance.now();
        const { epoch, step, steps, loss } = progress;
        out.progress(`epoch ${epoch}/${epochs}  step ${step}/${steps}  loss ${loss.toFixed(4)}`);
      },
      onEpoch: (epoch) => out.progress(epochText(epoch, epochs)),
    });
    const seconds = (performance.now() - started) / 1000;
    await trainer.release();
    const model = forward(programs.predict, trainer.params);
    if (!model.ok) throw new CommandError('failed', JSON.stringify(model.error));
    const name = basename(file, '.onnx');
    const files: { file: string; bytes: number }[] = [];
    const write = async (path: string | undefined, content: () => string | Uint8Array) => {
      if (path === undefined) return;
      const bytes = content();
      await writeFile(path, bytes);
      files.push({ file: path, bytes: Buffer.byteLength(bytes) });
    };
    await write(options.text('out') ?? `${name}-trained.onnx`, () => model.value);
    await write(options.text('weights'), () => encode(trainer.params));
    await write(options.text('curve'), () => learningCurve(chartsOf(name, history)));
    const { examples } = history;
    out.result(
      { files, steps: trainer.steps, seconds, examples, epochs: history.epochs },
      [
        ...files.map(({ file: path, bytes }) => `${path}  ${bytesText(bytes)}`),
        `${trainer.steps} steps in ${seconds.toFixed(1)} s`,
      ].join('\n'),
    );
  },
};
