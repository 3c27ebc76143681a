import { describe, expect, test } from 'vitest';
import { differentiate } from './differentiate.ts';
import type { DifferentiateOptions } from './differentiate.ts';
import type { DifferentiateFault } from './fault.ts';
import { makeNode } from './graph.ts';
import { OPTIONS, chain, faultOf, small } from './small-models.suite.ts';

describe('faults, before anything runs', () => {
  test('every unregistered operator is named, with its node and the path to the loss', () => {
    const model = chain(
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Unseen', ['a'], 'b'],
        ['Unheard', ['a'], 'c'],
        ['Add', ['b', 'c'], 'out'],
      ],
      { outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }] },
    );
    expect(faultOf(model)).toEqual({
      reason: 'blocked_operators',
      operators: [
        {
          op: 'Unseen',
          node: 'b',
          path: ['b', 'out', 'loss'],
          why: 'it is not in the gradient registry',
        },
        {
          op: 'Unheard',
          node: 'c',
          path: ['c', 'out', 'loss'],
          why: 'it is not in the gradient registry',
        },
      ],
    });
  });

  test('an operator of another domain, too', () => {
    const model = chain([['MatMul', ['x', 'w'], 'a']], {
      opsets: new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
      nodes: [
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('FastGelu', ['a'], ['out'], {}, 'com.microsoft'),
      ],
      outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }],
    });
    expect(faultOf(model)).toMatchObject({
      operators: [{ op: 'com.microsoft.FastGelu', path: ['out', 'loss'] }],
    });
  });

  test('an unregistered operator that no parameter lies behind is nobody’s business', () => {
    const unheard = chain(
      [
        ['Unheard', ['x'], 'a'],
        ['MatMul', ['a', 'w'], 'out'],
      ],
      { outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }] },
    );
    // It has no shape rule either: what follows can't be inferred, and that is said.
    expect(faultOf(unheard)).toEqual({ reason: 'unknown_shape', node: 'out', value: 'a' });
    expect(
      differentiate(
        chain([
          ['Floor', ['x'], 'a'],
          ['MatMul', ['a', 'w'], 'out'],
        ]),
        OPTIONS,
      ).ok,
    ).toBe(true);
  });

  test.each<[string, Uint8Array, Partial<DifferentiateOptions>, Partial<DifferentiateFault>]>([
    ['no model', Uint8Array.of(1, 2, 3), {}, { reason: 'malformed_model' }],
    ['nothing', new Uint8Array(), {}, { reason: 'malformed_model', detail: 'no graph' }],
    [
      'an old opset',
      chain([['MatMul', ['x', 'w'], 'out']], { opsets: new Map([['', 8]]) }),
      {},
      { reason: 'unsupported_opset', opset: 8 },
    ],
    [
      'an input from nowhere',
      chain([['MatMul', ['x', 'v'], 'out']]),
      {},
      { reason: 'malformed_model' },
    ],
    [
      'a glob that fits nothing',
      small(),
      { trainable: ['fc9.*'] },
      { reason: 'bad_option', option: 'trainable' },
    ],
    [
      'no parameter behind the loss',
      chain([
        ['Floor', ['w'], 'v'],
        ['MatMul', ['x', 'v'], 'out'],
      ]),
      {},
      { reason: 'nothing_to_train' },
    ],
    [
      'a fixed batch',
      chain(
        [
          ['Reshape', ['x', 's'], 'a'],
          ['MatMul', ['a', 'w'], 'out'],
        ],
        {
          constants: new Map([['s', { dtype: 'I64', shape: [2], data: BigInt64Array.of(1n, 4n) }]]),
        },
      ),
      {},
      { reason: 'loss_mismatch' },
    ],
    [
      'an output of one axis',
      chain(
        [
          ['MatMul', ['x', 'w'], 'a'],
          ['ReduceSum', ['a', 'axis'], 'out', { keepdims: 0 }],
        ],
        {
          constants: new Map([['axis', { dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) }]]),
        },
      ),
      {},
      { reason: 'loss_mismatch' },
    ],
    [
      'an unknown optimizer',
      small(),
      // A caller without types.
      { optimizer: { ...OPTIONS.optimizer, name: 'toString' as 'sgd' } },
      { reason: 'bad_option', option: 'optimizer.name' },
    ],
    [
      'an unknown loss',
      small(),
      { loss: 'constructor' as 'softmax-cross-entropy' },
      { reason: 'bad_option', option: 'loss' },
    ],
    [
      'a trainable tensor that is not float32',
      chain(
        [
          ['Cast', ['w'], 'v', { to: 1 }],
          ['MatMul', ['x', 'v'], 'out'],
        ],
        {
          initializers: new Map([
            ['w', { dtype: 'F16', shape: [4, 4], data: new Uint16Array(16) }],
          ]),
        },
      ),
      { trainable: ['w'] },
      { reason: 'bad_option', option: 'trainable' },
    ],
    [
      'a glob of statistics that fits nothing',
      small(),
      { buffers: ['*.running_mean'] },
      { reason: 'bad_option', option: 'buffers' },
    ],
    [
      'a size for a dimension that no input has',
      small(),
      { dimensions: { seq: 3 } },
      { reason: 'bad_option', option: 'dimensions' },
    ],
    [
      'a dropout ratio that the graph computes',
      chain([
        ['ReduceMean', ['x'], 'ratio', { keepdims: 0 }],
        ['MatMul', ['x', 'w'], 'a'],
        ['Dropout', ['a', 'ratio'], 'out'],
      ]),
      {},
      { reason: 'malformed_model' },
    ],
    [
      'negative momentum',
      small(),
      { optimizer: { name: 'sgd', momentum: -1 } },
      { reason: 'bad_option', option: 'optimizer.momentum' },
    ],
    [
      'nesterov alone',
      small(),
      { optimizer: { name: 'sgd', nesterov: true } },
      { reason: 'bad_option', option: 'optimizer.nesterov' },
    ],
  ])('%s', (_, model, options, fault) => {
    expect(faultOf(model, options)).toMatchObject(fault);
  });
});
