import { float } from '../attribute.ts';
import { product } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { NodeView } from '../node-view.ts';
import type { Origin, Rewrite } from './rule.ts';

/*
 * A product of matrices may begin at a third matrix instead of at zero. A weight's gradient is such a product, and
 * optimizers add it to the weight or to its momentum: beginning there saves passes over something as large as the weight.
 */

/** c + AB, and bc + AB for a constant b. */
export const sumInProduct: Rewrite = (n, g, origin) => {
  for (const at of [0, 1]) {
    const ab = plainProduct(n, g, origin, n.in(at));
    if (ab === undefined) continue;
    const c = n.in(1 - at);
    const [x = '', by = ''] = origin.only(c, 'Mul')?.input ?? [];
    const b = g.constants.get(by);
    const scaled = b?.shape.length === 0 && shapeOf(g, x) === shapeOf(g, c);
    return scaled
      ? added(g, ab, ab.proto.input, x, Number(b.data[0]))
      : added(g, ab, ab.proto.input, c, 1);
  }
  return undefined;
};

/** w - sAB for a scalar s, as w + (-sA)B, where a factor is smaller than the weight. */
export const differenceInProduct: Rewrite = (n, g, origin) => {
  const [found = '', s = ''] = origin.only(n.in(1), 'Mul')?.input ?? [];
  const ab = plainProduct(n, g, origin, found);
  if (ab === undefined || shapeOf(g, s) !== '') return undefined;
  const [a, b] = [ab.in(0), ab.in(1)];
  const smaller = cellsOf(g, a) < cellsOf(g, b) ? a : b;
  if (cellsOf(g, smaller) >= cellsOf(g, n.in(0))) return undefined;
  const minus = g.op('Mul', [smaller, g.op('Neg', [g.resolve(s)])]);
  return added(g, ab, smaller === a ? [minus, b] : [a, minus], n.in(0), 1);
};

/** The product that makes `name`: without a third matrix, as large as the node's outcome, and read by nobody else. */
const plainProduct = (
  n: NodeView,
  g: Emitter,
  origin: Origin,
  name: string,
): NodeView | undefined => {
  const ab = origin.only(name, 'Gemm');
  const plain =
    ab?.input.length === 2 && n.proto.input.every((x) => shapeOf(g, x) === shapeOf(g, name));
  return plain ? new NodeView(ab, g) : undefined;
};

const shapeOf = (g: Emitter, name: string): string | undefined =>
  g.types.get(g.resolve(name))?.shape.join();

/** As many examples as a batch has, more or less. */
const BATCH = 64;

const cellsOf = (g: Emitter, name: string): number =>
  `${product(g.types.get(name)?.shape ?? [])}`
    .split('*')
    .map((factor) => (/^\d+$/.test(factor) ? Number(factor) : BATCH))
    .reduce((a, b) => a * b, 1);

const added = (
  g: Emitter,
  ab: NodeView,
  factors: readonly string[],
  c: string,
  beta: number,
): string =>
  g.op(
    'Gemm',
    [...factors, c].map((name) => g.resolve(name)),
    {
      alpha: float(ab.float('alpha', 1)),
      beta: float(beta),
      transA: ab.int('transA', 0),
      transB: ab.int('transB', 0),
    },
  );
