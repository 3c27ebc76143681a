import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { decodeModel } from '../codec.ts';
import { bytesOf, distance, open, tensorOf, vector } from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import { vjp } from '../vjp.suite.ts';
import { GRADIENTS } from './registry.ts';

interface OpVector {
  readonly op: string;
  readonly model: string;
  readonly inputs: readonly StoredTensor[];
  readonly dy: StoredTensor;
  readonly y: StoredTensor;
  readonly grads: readonly StoredTensor[];
}

const ops = ['ops', 'ops-a', 'ops-b'].flatMap(
  (name) => (vector(name) as { ops: readonly OpVector[] }).ops,
);

const expectClose = (what: string, got: Tensor | undefined, stored: StoredTensor): void => {
  const { by, scale } = distance(got, tensorOf(stored));
  expect(by, `${what}: off by ${by} at scale ${scale}`).toBeLessThanOrEqual(1e-5 * scale + 1e-6);
};

describe.each(['wasm', 'webgpu'] as const)("PyTorch's autograd, %s", (target) => {
  test.each(ops.map((op, i) => ({ ...op, title: `${op.op} #${i}` })))('$title', async (op) => {
    const graph = decodeModel(bytesOf(op.model));
    const names = op.inputs.map((_, i) => `in${i}`);
    const { model, grads, y } = vjp(graph, names, target);
    // Most gradients are written alike for both targets: once is enough.
    if (target !== 'wasm' && Buffer.compare(model, vjp(graph, names).model) === 0) return;
    const session = await open(model);
    const feeds = new Map(
      op.inputs.map((input, i): [string, Tensor] => [`in${i}`, tensorOf(input)]),
    );
    const out = await session.run(feeds.set('dy', tensorOf(op.dy)));
    expectClose('y', out.get(y), op.y);
    op.grads.forEach((grad, i) => expectClose(`in${i}`, out.get(grads.get(`in${i}`) ?? ''), grad));
    await session.release();
  });
});

test('every operator with a gradient has a vector', () => {
  const covered = new Set(
    ops.flatMap(({ model }) => decodeModel(bytesOf(model)).nodes.map((n) => n.opType)),
  );
  const registered = Object.entries(GRADIENTS).filter(
    ([, entry]) => 'rule' in entry || 'parts' in entry,
  );
  expect(registered.map(([op]) => op).filter((op) => !covered.has(op))).toEqual([]);
});
