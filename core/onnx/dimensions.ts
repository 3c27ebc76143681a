import type { Dim } from './dim.ts';
import { isStatic, product } from './dim.ts';
import { refuse } from './fault.ts';
import type { Graph, ValueType } from './graph.ts';

/**
 * Sizes for symbolic dimensions; or another symbol that they always equal, where an exporter gave each input one of its
 * own.
 */
export type Dimensions = Readonly<Record<string, Dim>>;

/** The same model with some of its inputs' symbolic dimensions fixed, wherever they appear. */
export const withDimensions = (graph: Graph, dimensions: Dimensions): Graph => {
  const symbols = new Set(
    graph.inputs.flatMap(({ shape }) => shape.filter((dim) => !isStatic(dim))),
  );
  for (const [name, size] of Object.entries(dimensions)) {
    const detail = !symbols.has(name)
      ? `no input has a dimension ${name}`
      : (typeof size === 'string' ? symbols.has(size) : Number.isSafeInteger(size) && size > 0)
        ? undefined
        : `${name} is ${size}`;
    if (detail !== undefined) refuse({ reason: 'bad_option', option: 'dimensions', detail });
  }
  const fixed = (dim: Dim): Dim =>
    typeof dim === 'number'
      ? dim
      : product(
          dim.split('*').map((factor): Dim => dimensions[factor] ?? (Number(factor) || factor)),
        );
  const typed = <T extends ValueType>(type: T): T => ({ ...type, shape: type.shape.map(fixed) });
  return {
    ...graph,
    inputs: graph.inputs.map(typed),
    outputs: graph.outputs.map(({ name, type }) =>
      type === undefined ? { name } : { name, type: typed(type) },
    ),
    hints: new Map([...graph.hints].map(([name, type]) => [name, typed(type)])),
  };
};
