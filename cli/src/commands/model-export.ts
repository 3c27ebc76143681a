import { writeFile } from 'node:fs/promises';
import { forward } from '../../../core/onnx/index.ts';
import type { Manifest } from '../../../core/tensors/manifest.ts';
import { encode } from '../../../core/tensors/safetensors.ts';
import type { Command } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import { graphOf, modelFile, weightsOf } from '../model-file.ts';
import { bytesText } from '../output.ts';

/** Where a program keeps its manifest: ONNX metadata. */
const MANIFEST_KEY = 'tributary.manifest';

/** An ordinary ONNX model: a program with weights put into it, or, without weights, a model that has its own. */
const modelOf = async (file: string, weights: string | undefined) => {
  const source = await modelFile(file);
  const text = graphOf(source).metadata.get(MANIFEST_KEY);
  if (weights === undefined) {
    if (text === undefined) return { model: source, names: new Map<string, string>() };
    throw new CommandError('usage', `${file}: a program without weights; give their file too`);
  }
  if (text === undefined) {
    throw new CommandError('data', `${file}: not a program of tributary model prepare`);
  }
  const manifest = JSON.parse(text) as Manifest;
  const model = forward({ model: source.bytes, manifest }, await weightsOf(weights));
  if (!model.ok) throw new CommandError('data', `${weights}: ${JSON.stringify(model.error)}`);
  const names = new Map(manifest.parameters.map(({ input, name }) => [input, name]));
  return { model: { ...source, bytes: new Uint8Array(model.value) }, names };
};

export const modelExport: Command = {
  name: 'model export',
  summary:
    'Put trained weights into a predict program: an ordinary ONNX model, or its weights alone',
  args: ['model.onnx', '[weights.safetensors]'],
  options: {
    out: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'FILE.onnx, or FILE.safetensors for the weights under their own names (model.onnx)',
    },
  },
  details:
    'Adapters (LoRA) are merged into the weights that they change. Without weights, those of model.onnx are taken out.',
  async run({ args, options, out }) {
    const source = args['model.onnx'] ?? '';
    const { model, names } = await modelOf(source, args['weights.safetensors']);
    const file = options.text('out') ?? 'model.onnx';
    const alone = file.endsWith('.safetensors');
    const content = alone
      ? encode(
          new Map(
            Array.from(graphOf(model).initializers, ([name, tensor]) => [
              names.get(name) ?? name,
              tensor,
            ]),
          ),
        )
      : model.bytes;
    await writeFile(file, content);
    out.result({ file, bytes: content.length }, `${file}  ${bytesText(content.length)}`);
  },
};
