import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel } from '../codec.ts';
import { differentiate } from '../differentiate.ts';
import { makeNode } from '../graph.ts';
import { cnn } from '../models/cnn.ts';
import { seeded } from '../runtime.suite.ts';
import { chain } from '../small-models.suite.ts';
import { report } from './report.ts';
import type { Target } from './rule.ts';

const programs = (target: Target) => {
  const model = cnn({ inputs: [1, 28, 28], classes: 10, rng: seeded(1) });
  const made = differentiate(model, {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'adam' },
    target,
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

/** The chain of nodes x -> out, and what would happen to it. */
const reported = (...nodes: Parameters<typeof chain>[0]) => report({ model: chain(nodes) });

describe('what a GPU leaves to the CPU', () => {
  test('nothing of programs that are written for it', () => {
    const { train, gradients, evaluate, predict } = programs('webgpu');
    for (const program of [train, gradients, evaluate, predict])
      expect(report(program)).toEqual([]);
  });

  test('of programs that are not, each node with its operator and the reason', () => {
    const { train } = programs('wasm');
    const found = report(train);
    const names = new Set(decodeModel(train.model).nodes.map(({ name }) => name));
    expect(found.length).toBeGreaterThan(0);
    for (const { node } of found) expect(names).toContain(node);
    expect(new Set(found.map(({ op, reason }) => `${op}: ${reason}`))).toEqual(
      new Set([
        'LogSoftmax: there is no kernel for it',
        'Sign: there is no kernel for it',
        'Cast: its kernel does not take I64',
        'Gather: its kernel does not take I64',
      ]),
    );
    expect(report(train, 'wasm')).toEqual([]);
    expect(report(train, 'native')).toEqual([]);
  });

  test('kernels that refuse a form of their operator', () => {
    expect(reported(['Softsign', ['x'], 'out'])).toEqual([
      { op: 'Softsign', node: expect.any(String), reason: 'there is no kernel for it' },
    ]);
    expect(reported(['Relu', ['x'], 'out'])).toEqual([]);
    const pools = decodeModel(chain([['Relu', ['x'], 'out']]));
    const model = encodeModel({
      ...pools,
      inputs: [{ name: 'x', dtype: 'F32', shape: ['batch', 1, 4, 4] }],
      nodes: [makeNode('MaxPool', ['x'], ['out', 'where'], { kernel_shape: [2, 2] })],
      outputs: [{ name: 'out' }, { name: 'where' }],
    });
    expect(report({ model })).toEqual([
      { op: 'MaxPool', node: 'out', reason: 'its kernel does not say where the maxima lie' },
    ]);
  });

  test('what only depends on constants and known sizes is computed when the graph is loaded', () => {
    const own = decodeModel(chain([['Relu', ['x'], 'out']]));
    const nodes = (shape: readonly (number | string)[]) =>
      report({
        model: encodeModel({
          ...own,
          inputs: [{ name: 'x', dtype: 'F32', shape }],
          nodes: [
            makeNode('Size', ['x'], ['size']),
            makeNode('Cast', ['size'], ['count'], { to: 1 }),
            makeNode('Add', ['x', 'count'], ['out']),
          ],
        }),
      }).map(({ op }) => op);
    expect(nodes([2, 3])).toEqual([]);
    expect(nodes(['batch', 3])).toEqual(['Size', 'Cast']);
  });
});
