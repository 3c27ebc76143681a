import type { Tensor } from '../../tensors/tensor.ts';
import { refuse } from '../fault.ts';
import type { Graph } from '../graph.ts';

/**
 * The model with some of its inputs held at one value (a sample rate, a mode): constants, on which exporters make it take
 * a branch. Refuses a name that is no input, and a value of another type or rank.
 */
export const withFixedInputs = (model: Graph, values: ReadonlyMap<string, Tensor>): Graph => {
  for (const [name, { dtype, shape }] of values) {
    const input = model.inputs.find((one) => one.name === name);
    const fits = input?.dtype === dtype && input.shape.length === shape.length;
    if (fits && input.shape.every((dim, i) => typeof dim === 'string' || dim === shape[i]))
      continue;
    const got = `${name} ${dtype} [${shape.join()}]`;
    const expected = model.inputs.map((one) => `${one.name} ${one.dtype} [${one.shape.join()}]`);
    refuse({
      reason: 'bad_option',
      option: 'fixed',
      detail: `expected one of ${expected.join(', ')}, got ${got}`,
    });
  }
  return {
    ...model,
    inputs: model.inputs.filter(({ name }) => !values.has(name)),
    constants: new Map([...model.constants, ...values]),
  };
};
