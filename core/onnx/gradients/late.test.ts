/** Bounds, pads, repeats, indices and masks that are known only when the graph runs give the same gradients. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { open, seeded, zeros } from '../runtime.suite.ts';
import { vjp } from '../vjp.suite.ts';
import { CASES } from './cases.suite.ts';
import type { Case } from './cases/case.suite.ts';

const graphOf = (op: string, of: Case, late: boolean): { graph: Graph; feeds: Tensors } => {
  const feeds: Tensors = new Map(of.inputs.map((tensor, i) => [`in${i}`, tensor]));
  const constants = new Map<string, Tensor>();
  const names = (of.wiring ?? of.inputs.map((_, i) => i)).map((source, i) => {
    if (source === null) return '';
    if (typeof source === 'number') return `in${source}`;
    // Which axes are meant must be known before.
    const fixed = !late || (/^(Slice|Pad)$/.test(op) && i === 3);
    (fixed ? constants : feeds).set(`const${i}`, source);
    return `const${i}`;
  });
  const outputs = Array.from({ length: of.outputs ?? 1 }, (_, i) => `out${i}`);
  const graph: Graph = {
    name: op,
    irVersion: 8,
    opsets: new Map([['', of.opset ?? 17]]),
    inputs: [...feeds].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    outputs: [{ name: 'out0' }],
    nodes: [makeNode(op, names, outputs, of.attributes)],
    initializers: new Map(),
    constants,
    hints: new Map(),
    metadata: new Map(),
  };
  return { graph, feeds };
};

const gradientsOf = async (op: string, of: Case, late: boolean): Promise<readonly unknown[]> => {
  const { graph, feeds } = graphOf(op, of, late);
  const names = of.inputs.map((_, i) => `in${i}`);
  const { model, grads } = vjp(graph, names);
  const forward = await open(vjp(graph, []).model);
  const dy = zeros((await forward.run(feeds)).get('out0') ?? { dtype: 'F32', shape: [] });
  const rng = seeded(7);
  dy.data.forEach((_, i) => (dy.data[i] = rng() * 2 - 1));
  const session = await open(model);
  const out = await session.run(new Map([...feeds, ['dy', dy]]));
  await Promise.all([forward.release(), session.release()]);
  return names.map((name) => out.get(grads.get(name) ?? ''));
};

const LATE =
  'Compress CumSum Gather GatherElements GatherND Pad ReverseSequence ScatterElements ScatterND Slice Split Tile TopK Trilu';

describe.each(LATE.split(' '))('%s', (op) => {
  const cases = CASES[op];
  if (cases === undefined) throw new Error(`no cases of ${op}`);
  // The axes of a border other than a constant must be known.
  const some = cases.filter(
    ({ attributes }) => (attributes?.['mode'] ?? 'constant') === 'constant',
  );
  test('as if it were known', async () => {
    for (const of of fc.sample(some, { numRuns: 8, seed: 5 })) {
      const known = await gradientsOf(op, of, false);
      expect(known).not.toContain(undefined);
      expect(await gradientsOf(op, of, true)).toEqual(known);
    }
  });
});
