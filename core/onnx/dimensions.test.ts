import { expect, test } from 'vitest';
import { withDimensions } from './dimensions.ts';
import { settle } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph } from './graph.ts';

const model: Graph = {
  name: 'g',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: [
    { name: 'x', dtype: 'F32', shape: ['x.0', 'time'] },
    { name: 'h', dtype: 'F32', shape: [2, 'h.1'] },
  ],
  outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['x.0', '2*time'] } }],
  nodes: [makeNode('Concat', ['x', 'x'], ['out'], { axis: 1 })],
  initializers: new Map(),
  constants: new Map(),
  hints: new Map([['out', { dtype: 'F32', shape: ['h.1', '2*time'] }]]),
  metadata: new Map(),
};

test('a size, or another symbol, stands wherever the symbol stood', () => {
  const { inputs, outputs, hints } = withDimensions(model, { time: 3, 'h.1': 'x.0' });
  expect(inputs.map(({ shape }) => shape)).toEqual([
    ['x.0', 3],
    [2, 'x.0'],
  ]);
  expect(outputs[0]?.type?.shape).toEqual(['x.0', 6]);
  expect(hints.get('out')?.shape).toEqual(['x.0', 6]);
});

test.each([{ nothing: 3 }, { time: 0 }, { time: 1.5 }, { time: 'nothing' }, { time: '2' }])(
  'refuses %o',
  (dimensions) => {
    expect(settle(() => withDimensions(model, dimensions as Record<string, number>))).toMatchObject(
      {
        error: { reason: 'bad_option', option: 'dimensions' },
      },
    );
  },
);
