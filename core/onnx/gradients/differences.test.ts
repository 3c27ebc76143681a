import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import type { Dim } from '../dim.ts';
import type { Target } from '../lowering/rule.ts';
import { Emitter } from '../emitter.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import { opsetOf } from '../prepare.ts';
import { distance, open, seeded, zeros } from '../runtime.suite.ts';
import { upgraded } from '../upgrades/upgrade.ts';
import { vjp } from '../vjp.suite.ts';
import { CASES } from './cases.suite.ts';
import type { Case } from './cases/case.suite.ts';
import { GRADIENTS } from './registry.ts';

/** Spacing of the differences. Far above float32's resolution; inputs keep 0.1 away from kinks. */
const H = 0.04;

/** A graph of the case's one node; `batch` makes the first dimension of its first input a symbol. */
const graphOf = (
  op: string,
  { inputs, wiring, attributes, outputs = 1, opset = 17 }: Case,
  batch: boolean,
): Graph => {
  const constants = new Map<string, Tensor>();
  const names = (wiring ?? inputs.map((_, i) => i)).map((source, i) => {
    if (source === null) return '';
    if (typeof source === 'number') return `in${source}`;
    constants.set(`const${i}`, source);
    return `const${i}`;
  });
  const made = Array.from({ length: outputs }, (_, i) => `out${i}`);
  return {
    name: op,
    irVersion: 8,
    opsets: new Map([['', opset]]),
    inputs: inputs.map(({ dtype, shape }, i) => ({
      name: `in${i}`,
      dtype,
      shape: batch && i === 0 ? ['batch', ...shape.slice(1)] : shape,
    })),
    outputs: [{ name: 'out0' }],
    nodes: [makeNode(op, names, made, attributes)],
    initializers: new Map(),
    constants,
    hints: new Map(),
    metadata: new Map(),
  };
};

const weightedSum = (y: Tensor | undefined, dy: Tensor): number =>
  Array.from(dy.data as Float32Array, (w, i) => w * Number(y?.data[i])).reduce((a, b) => a + b, 0);

/** Five-point difference, error O(h^4), summed in float64: close to what the operator itself would give in float64. */
const difference = async (f: (by: number) => Promise<number>): Promise<number> => {
  const [far, near] = [(await f(2 * H)) - (await f(-2 * H)), (await f(H)) - (await f(-H))];
  return (8 * near - far) / (12 * H);
};

/** Whether the registry refuses this very node: then there is nothing to compare. */
const refused = (of: Graph): boolean => {
  const g = Emitter.of(upgraded(of, opsetOf(of)), opsetOf(of));
  const [node] = g.nodes;
  const entry = GRADIENTS[node?.opType ?? ''];
  if (node === undefined || entry === undefined || !('rule' in entry)) return false;
  return entry.unless?.(new NodeView(node, g)) !== undefined;
};

/** An inferred dimension with the batch filled in. */
const valueOf = (dim: Dim, batch: number): number =>
  String(dim)
    .split('*')
    .reduce((product, factor) => product * (factor === 'batch' ? batch : Number(factor)), 1);

const check = async (op: string, of: Case, target: Target, batch: boolean): Promise<void> => {
  const graph = graphOf(op, of, batch);
  fc.pre(!refused(graph));
  const names = of.inputs.map((_, i) => `in${i}`);
  const { model, grads } = vjp(graph, names, target);
  const forward = await open(vjp(graph, [], target).model);
  const both = await open(model);
  const feeds: Tensors = new Map(of.inputs.map((tensor, i) => [`in${i}`, tensor]));
  const y = (await forward.run(feeds)).get('out0');
  if (y === undefined) throw new Error('no output');
  const inferred = Emitter.of(upgraded(graph, opsetOf(graph)), opsetOf(graph)).types.get(
    'out0',
  )?.shape;
  const lengths = inferred?.map((dim) => valueOf(dim, of.inputs[0]?.shape[0] ?? 1));
  // What is known only when the graph runs (how many elements Compress keeps) has a name of its own.
  expect(lengths?.map((dim, axis) => (Number.isNaN(dim) ? y.shape[axis] : dim))).toEqual(y.shape);
  const rng = seeded(y.data.length);
  const dy = zeros(y);
  dy.data.forEach((_, i) => (dy.data[i] = rng() * 2 - 1));
  const out = await both.run(new Map([...feeds, ['dy', dy]]));
  const { by: off, scale: height } = distance(out.get('out0'), y);
  expect(off, 'written out, it gives something else').toBeLessThanOrEqual(1e-5 * height + 1e-6);
  for (const [i, input] of of.inputs.entries()) {
    const got = out.get(grads.get(`in${i}`) ?? '');
    expect(got?.shape).toEqual(input.shape);
    const expected = new Float64Array(input.data.length);
    for (let at = 0; at < expected.length; at++) {
      expected[at] = await difference(async (by) => {
        const data = Float32Array.from(input.data, Number);
        data[at] = (data[at] ?? 0) + by;
        return weightedSum(
          (await forward.run(new Map([...feeds, [`in${i}`, { ...input, data }]]))).get('out0'),
          dy,
        );
      });
    }
    const scale = expected.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    expected.forEach((value, at) => {
      const by = Math.abs(Number(got?.data[at]) - value);
      expect(by, `d in${i}[${at}]: expected ${value}, got ${got?.data[at]}`).toBeLessThanOrEqual(
        3e-4 * scale + 2e-4,
      );
    });
  }
  await Promise.all([forward.release(), both.release()]);
};

/** Operators whose first dimension may stay a symbol; where inputs broadcast, two unknown sizes can't be told apart. */
const BATCHED =
  /^(Abs|A?([cC]os|[sS]in|[tT]an)h?|C?[eE]lu|Erf|Exp|Conv|ConvTranspose|.*Pool|Flatten|Gelu|Hard.*|(Leaky|Thresholded)?Relu|LRN|Mish|.*Normalization|Selu|.*[sS]oftmax|Reduce.*|Shrink|Sigmoid|Soft.*|Swish|Tanh|Clip|Cast|Col2Im|MaxUnpool|Compress|CumSum|DepthToSpace|GatherElements|GatherND|Gather|Pad|Resize|ReverseSequence|Slice|SpaceToDepth|Split|Tile|TopK|Transpose|Trilu)$/;

describe.each(Object.keys(CASES))('%s', (op) => {
  const cases = CASES[op];
  if (cases === undefined) throw new Error(`no cases for ${op}`);
  const targets: readonly Target[] = op === 'MaxPool' ? ['wasm', 'webgpu'] : ['wasm'];
  test.each(targets)('equals central differences, %s', async (target) => {
    await fc.assert(
      fc.asyncProperty(cases, (of) => check(op, of, target, BATCHED.test(op))),
      {
        numRuns: /Attention|LSTM|GRU|RNN|Resize|Conv|Pool|Gemm|MatMul/.test(op) ? 25 : 12,
        seed: 11,
      },
    );
  });
});

test('every operator with a gradient is checked', () => {
  const registered = Object.entries(GRADIENTS).filter(
    ([, entry]) => 'rule' in entry || 'parts' in entry,
  );
  expect(registered.map(([op]) => op).toSorted()).toEqual(Object.keys(CASES).toSorted());
});
