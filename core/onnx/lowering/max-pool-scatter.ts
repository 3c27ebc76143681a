import { windowOf } from '../window.ts';
import type { Lowering } from './rule.ts';

/** (x, y, dy) -> dx: the pool also says where each maximum lies in the flattened x; dy is added there. */
export const maxPoolScatter: Lowering = (n, g) => {
  const [x, y, dy] = [n.in(0), n.in(1), n.in(2)];
  const pool = g.nodes.find((node) => node.output[0] === y) ?? n.malformed('its pool is missing');
  const indices =
    pool.output[1] || g.input(g.fresh(`${y}.indices`), { dtype: 'I64', shape: n.shape(1) });
  pool.output = [y, indices];
  const size = g.op('Reshape', [g.op('Size', [x]), g.ints([1])]);
  const value = { dtype: n.type(0).dtype, shape: [1], data: new Float32Array(1) };
  const zeros = g.op('ConstantOfShape', [size], { value });
  const flat = (name: string): string => g.op('Reshape', [name, g.ints([-1])]);
  const w = windowOf(n, n.ints('kernel_shape') ?? []);
  const overlapping = w.kernel.some(
    (size, axis) => (w.strides[axis] ?? 1) < size || w.dilations[axis] !== 1,
  );
  const scattered = g.op('ScatterElements', [zeros, flat(indices), flat(dy)], {
    axis: 0,
    ...(overlapping && { reduction: 'add' }),
  });
  return g.reshape(scattered, n.shape(0), x);
};
