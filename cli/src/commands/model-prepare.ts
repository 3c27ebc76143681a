import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeFault, looped } from '../../../core/onnx/index.ts';
import type { Program } from '../../../core/onnx/index.ts';
import type { Command } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import { modelFile, programsOrFail } from '../model-file.ts';
import { onnxJob } from '../onnx-job.ts';
import { bytesText } from '../output.ts';
import { TRAINING_OPTIONS } from '../training-options.ts';

const DEVICES = ['auto', 'wasm', 'webgpu'] as const;

const loopOf = (program: Program): Program => {
  const loop = looped(program);
  if (loop.ok) return loop.value;
  throw new CommandError('usage', `option --loop: ${describeFault(loop.error)}`);
};

export const modelPrepare: Command = {
  name: 'model prepare',
  summary: 'Turn a forward ONNX model into programs, an initial model and a job ready to submit',
  args: [],
  options: {
    model: { type: 'string', value: 'FILE', help: 'forward ONNX model (needed)' },
    out: { type: 'string', short: 'o', value: 'DIR', help: 'folder for the files (needed)' },
    name: { type: 'string', value: 'NAME', help: "the job's name (the model's file name)" },
    seed: { type: 'string', value: 'N', help: 'seed of everything random (0)' },
    'min-sites': { type: 'string', value: 'N', help: 'sites that the job waits for (1)' },
    rounds: { type: 'string', value: 'N', help: 'rounds of federated averaging (10)' },
    epochs: { type: 'string', value: 'N', help: 'passes over its data a site makes a round (1)' },
    'batch-size': { type: 'string', value: 'N', help: 'examples a step (32)' },
    lr: { type: 'string', value: 'RATE', help: 'learning rate (0.01)' },
    mu: { type: 'string', value: 'MU', help: "weight of FedProx's term (with --proximal)" },
    device: {
      type: 'string',
      value: 'NAME',
      help: 'auto, wasm or webgpu: where sites train (auto; see --target)',
    },
    loop: { type: 'boolean', help: 'several steps in one run: faster for small models on WASM' },
    diff: { type: 'boolean', help: 'sites send differences instead of whole models' },
    ...TRAINING_OPTIONS,
  },
  async run({ options, out }) {
    const file = options.required('model');
    const folder = options.required('out');
    const whole = (name: string, otherwise: number, min = 1): number =>
      options.number(name, { min, integer: true }) ?? otherwise;
    const lr = options.number('lr') ?? 0.01;
    if (lr === 0) throw new CommandError('usage', 'option --lr: expected a number > 0, got 0');
    const mu = options.number('mu');
    if ((mu !== undefined) !== options.flag('proximal')) {
      throw new CommandError('usage', 'options --mu and --proximal go together');
    }
    const device = DEVICES.find((each) => each === (options.text('device') ?? 'auto'));
    if (!device) {
      const got = options.text('device');
      const expected = DEVICES.join(', ');
      throw new CommandError('usage', `option --device: expected one of ${expected}, got '${got}'`);
    }
    const made = await programsOrFail(await modelFile(file), options);
    const programs = options.flag('loop') ? { ...made, train: loopOf(made.train) } : made;
    const { spec, model } = onnxJob(programs, {
      name: options.text('name') ?? basename(file, '.onnx'),
      seed: whole('seed', 0, 0),
      minSites: whole('min-sites', 1),
      rounds: whole('rounds', 10),
      epochs: whole('epochs', 1),
      batchSize: whole('batch-size', 32),
      lr,
      mu,
      ...(device !== 'auto' && { device }),
      transferType: options.flag('diff') ? 'DIFF' : 'FULL',
    });
    const { train, evaluate, predict } = programs;
    const manifests = {
      train: train.manifest,
      evaluate: evaluate.manifest,
      predict: predict.manifest,
    };
    const contents: readonly (readonly [string, string | Uint8Array])[] = [
      ['train.onnx', train.model],
      ['evaluate.onnx', evaluate.model],
      ['predict.onnx', predict.model],
      ['model.safetensors', model],
      ['manifest.json', `${JSON.stringify(manifests, null, 2)}\n`],
      ['job.json', `${JSON.stringify(spec, null, 2)}\n`],
    ];
    await mkdir(folder, { recursive: true });
    const files: { file: string; bytes: number }[] = [];
    for (const [name, content] of contents) {
      const path = join(folder, name);
      await writeFile(path, content);
      files.push({ file: path, bytes: Buffer.byteLength(content) });
    }
    out.result(
      { files, spec },
      [
        ...files.map(({ file: path, bytes }) => `${path}  ${bytesText(bytes)}`),
        `next: tributary job submit ${join(folder, 'job.json')}`,
      ].join('\n'),
    );
  },
};
