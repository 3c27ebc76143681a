import { describeFault } from '../../../core/onnx/index.ts';
import { sizeOf } from '../../../core/tensors/tensor.ts';
import type { Command } from '../command.ts';
import { graphOf, modelFile, programsFor } from '../model-file.ts';
import { table } from '../output.ts';
import { TRAINING_OPTIONS } from '../training-options.ts';

const shapeText = (shape: readonly (number | string)[]): string => `[${shape.join(', ')}]`;

export const modelInspect: Command = {
  name: 'model inspect',
  summary: 'Operators and parameters of an ONNX model, and whether it can be trained or why not',
  args: ['model.onnx'],
  options: TRAINING_OPTIONS,
  async run({ args, options, out }) {
    const file = args['model.onnx'] ?? '';
    const model = await modelFile(file);
    const graph = graphOf(model);
    const ops: Record<string, number> = {};
    for (const { opType } of graph.nodes) ops[opType] = (ops[opType] ?? 0) + 1;
    const programs = await programsFor(model, options);
    const roles = new Map(
      programs.ok
        ? programs.value.train.manifest.parameters.map(({ name, role }) => [name, role])
        : [],
    );
    const parameters = [...graph.initializers].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape,
      elements: sizeOf(shape),
      role: roles.get(name) ?? null,
    }));
    const elements = parameters.reduce((sum, parameter) => sum + parameter.elements, 0);
    const fault = programs.ok ? null : programs.error;
    const opset = graph.opsets.get('') ?? null;
    const inputs = graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    const outputs = graph.outputs.map(({ name, type }) => ({ name, ...type }));
    const shapes = [...inputs, ...outputs].map(({ shape = [] }) => shape);
    const symbols = [...new Set(shapes.flat().filter((dim) => typeof dim === 'string'))];
    const trainable = programs.ok;
    out.result(
      { file, opset, inputs, outputs, symbols, ops, parameters, elements, trainable, fault },
      [
        `${file}  opset ${opset}  ${elements} parameters in ${parameters.length} tensors`,
        ...inputs.map(({ name, dtype, shape }) => `input   ${name} ${dtype} ${shapeText(shape)}`),
        ...outputs.map(({ name, shape }) => `output  ${name} ${shape ? shapeText(shape) : ''}`),
        `symbols ${symbols.join(', ') || 'none: every dimension is fixed'}`,
        `ops     ${Object.entries(ops)
          .sort(([, a], [, b]) => b - a)
          .map(([op, n]) => (n > 1 ? `${op} x${n}` : op))
          .join(', ')}`,
        '',
        table(
          ['PARAMETER', 'DTYPE', 'SHAPE', 'ROLE'],
          parameters.map(({ name, dtype, shape, role }) => [
            name,
            dtype,
            shapeText(shape),
            role ?? '-',
          ]),
        ),
        '',
        fault ? `cannot be trained: ${describeFault(fault)}` : 'can be trained',
      ].join('\n'),
    );
  },
};
