import { writeFile } from 'node:fs/promises';
import { forward } from '../../../core/onnx/index.ts';
import type { Manifest } from '../../../core/tensors/manifest.ts';
import { decode } from '../../../core/tensors/safetensors.ts';
import type { Command } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import { bytesOf, graphOf } from '../model-file.ts';
import { bytesText } from '../output.ts';

/** Where a program keeps its manifest: ONNX metadata. */
const MANIFEST_KEY = 'tributary.manifest';

export const modelExport: Command = {
  name: 'model export',
  summary: 'Put trained weights into a predict program: an ordinary ONNX model',
  args: ['predict.onnx', 'weights.safetensors'],
  options: {
    out: { type: 'string', short: 'o', value: 'FILE', help: 'the ONNX file to write (model.onnx)' },
  },
  async run({ args, options, out }) {
    const weights = args['weights.safetensors'] ?? '';
    const programFile = args['predict.onnx'] ?? '';
    const bytes = await bytesOf(programFile);
    const text = graphOf(programFile, bytes).metadata.get(MANIFEST_KEY);
    if (text === undefined) {
      throw new CommandError('data', `${programFile}: not a program of tributary model prepare`);
    }
    const decoded = decode(await bytesOf(weights));
    if (!decoded.ok) {
      const { expected, got } = decoded.error;
      throw new CommandError('data', `${weights}: expected ${expected}, got ${got}`);
    }
    const manifest = JSON.parse(text) as Manifest;
    const model = forward({ model: bytes, manifest }, decoded.value.tensors);
    if (!model.ok) throw new CommandError('data', `${weights}: ${JSON.stringify(model.error)}`);
    const file = options.text('out') ?? 'model.onnx';
    await writeFile(file, model.value);
    out.result({ file, bytes: model.value.length }, `${file}  ${bytesText(model.value.length)}`);
  },
};
