import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, test } from 'vitest';
import {
  expectCurve,
  modelOf,
  programsOf,
  stateDictOf,
  trainingOf,
} from '../../core/onnx/whole-models.suite.ts';
import { pythonWith, run, whyNot } from './python.ts';

const SCRIPT = resolve(import.meta.dirname, '../vectors/onnx/models.py');
const folder = mkdtempSync(join(tmpdir(), 'models-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const old = pythonWith('torch, onnx');
const both = pythonWith('torch, onnx, onnxscript');

/** Makes the models of a kind into a folder of their own, and answers its URL. */
const made = (python: string, kind: string, args: readonly string[]): URL => {
  const out = join(folder, kind);
  run(python, [SCRIPT, '--out', out, ...args], folder);
  return pathToFileURL(`${out}/`);
};

const PUBLISHED = [
  'resnet18',
  'mobilenetv2',
  'efficientnet',
  'unet',
  'lstm',
  'gru',
  'encoder',
  'gpt',
  'vit',
];

describe.skipIf(old === undefined)(
  `published sizes follow PyTorch's loss curve${whyNot(old, 'torch and onnx')}`,
  () => {
    test.each(PUBLISHED)('%s', { timeout: 1_800_000 }, async (name) => {
      const from = made(old ?? '', `large-${name}`, ['--large', '--exporter', 'old', name]);
      const training = trainingOf(name, from);
      await expectCurve(programsOf(modelOf(name, 'old', from), training), training);
    });
  },
);

const SMALL = ['mlp', 'lenet', ...PUBLISHED];

describe.skipIf(old === undefined)(
  `small models of every opset that the older exporter writes${whyNot(old, 'torch and onnx')}`,
  () => {
    // U-Net's bilinear Resize came with opset 11, and triu and LayerNorm's and GELU's forms change on the way.
    test.each([9, 10, 11, 12, 13, 14, 15, 16])('opset %i', { timeout: 900_000 }, async (opset) => {
      const names = SMALL.filter((name) => opset >= 14 || !['unet', 'gpt'].includes(name));
      const from = made(old ?? '', `opset-${opset}`, [
        '--exporter',
        'old',
        '--opset',
        String(opset),
        ...names,
      ]);
      for (const name of names) {
        const training = trainingOf(name, from);
        await expectCurve(programsOf(modelOf(name, 'old', from), training), training);
      }
    });
  },
);

const NEWEST = [18, 20, 22, 24];
const converter = pythonWith('onnx; assert onnx.defs.onnx_opset_version() >= 24');

describe.skipIf(converter === undefined)(
  `opsets that no exporter writes yet${whyNot(converter, 'onnx of opset 24')}`,
  () => {
    test.each(NEWEST)('opset %i', { timeout: 300_000 }, async (opset) => {
      const out = join(folder, `newest-${opset}`);
      run(converter ?? '', [resolve(SCRIPT, '../convert.py'), String(opset), out], folder);
      for (const name of SMALL) {
        const training = trainingOf(name);
        const model = modelOf(name, 'old', pathToFileURL(`${out}/`));
        await expectCurve(programsOf(model, training), training);
      }
    });
  },
);

describe.skipIf(old === undefined)(
  `default exports are taken apart again${whyNot(old, 'torch and onnx')}`,
  () => {
    test.each(SMALL)('%s', { timeout: 300_000 }, async (name) => {
      const from = made(old ?? '', `kept-${name}`, ['--exporter', 'old', name]);
      made(old ?? '', `kept-${name}`, ['--exporter', 'default', name]);
      const training = trainingOf(name, from);
      const programs = programsOf(modelOf(name, 'default', from), training, {
        stateDict: stateDictOf(name, from),
      });
      await expectCurve(programs, training);
    });
  },
);

describe.skipIf(both === undefined)(
  `published sizes from the newer exporter${whyNot(both, 'torch, onnx and onnxscript')}`,
  () => {
    test.each(PUBLISHED)('%s', { timeout: 1_800_000 }, async (name) => {
      const from = made(both ?? '', `new-${name}`, ['--large', name]);
      const training = trainingOf(name, from);
      const programs = programsOf(modelOf(name, 'new', from), training, {
        stateDict: stateDictOf(name, from),
      });
      await expectCurve(programs, training);
    });
  },
);
