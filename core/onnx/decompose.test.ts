import { describe, expect, test } from 'vitest';
import { encodeModel, decodeModel } from './codec.ts';
import { describeFault } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Dim } from './dim.ts';
import { f32, open, scalarOf, seeded, Trainer } from './runtime.suite.ts';
import { faultOf, labels, programsOf } from './small-models.suite.ts';
import type { Tensor } from '../tensors/tensor.ts';

const [STEPS, SIZE, HIDDEN] = [5, 3, 4];

const drawn = (shape: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  const length = shape.reduce((a, b) => a * b, 1);
  return f32(
    shape,
    Array.from({ length }, () => rng() - 0.5),
  );
};

/** x [batch, steps, size] -> the last state of an LSTM or GRU -> three classes. */
const classifier = (op: 'LSTM' | 'GRU', steps: Dim): Uint8Array => {
  const rows = (op === 'LSTM' ? 4 : 3) * HIDDEN;
  const states = op === 'LSTM' ? ['', 'h', 'c'] : ['', 'h'];
  return encodeModel({
    name: op,
    irVersion: 8,
    opsets: new Map([['', 14]]),
    inputs: [{ name: 'x', dtype: 'F32', shape: ['n', steps, SIZE] }],
    outputs: [{ name: 'out' }],
    nodes: [
      makeNode('Transpose', ['x'], ['t'], { perm: [1, 0, 2] }),
      makeNode(op, ['t', 'w', 'r', 'b'], states, { hidden_size: HIDDEN }),
      makeNode('Squeeze', ['h', 'first'], ['last']),
      makeNode('Gemm', ['last', 'head', 'bias'], ['out']),
    ],
    initializers: new Map([
      ['w', drawn([1, rows, SIZE], 1)],
      ['r', drawn([1, rows, HIDDEN], 2)],
      ['b', drawn([1, 2 * rows], 3)],
      ['head', drawn([HIDDEN, 3], 4)],
      ['bias', drawn([3], 5)],
    ]),
    constants: new Map([['first', { dtype: 'I64', shape: [1], data: BigInt64Array.of(0n) }]]),
    hints: new Map(),
    metadata: new Map(),
  });
};

const opsOf = (model: Uint8Array): readonly string[] =>
  decodeModel(model).nodes.map(({ opType }) => opType);

describe.each(['LSTM', 'GRU'] as const)('a classifier by %s', (op) => {
  test('learns, whatever the size of the batch; elsewhere the runtime’s own kernel stays', async () => {
    const programs = programsOf(classifier(op, STEPS));
    expect(opsOf(programs.train.model)).not.toContain(op);
    expect(opsOf(programs.predict.model)).toContain(op);
    expect(opsOf(programs.evaluate.model)).toContain(op);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const [x, y] = [drawn([6, STEPS, SIZE], 6), labels(6, 3)];
    const first = await trainer.step(x, y, 0.5);
    for (let i = 0; i < 80; i++) await trainer.step(x, y, 0.5);
    const one = await trainer.step(drawn([1, STEPS, SIZE], 6), labels(1, 3), 0);
    expect(one.examples).toBe(1);
    const last = await trainer.step(x, y, 0);
    expect(last.loss).toBeLessThan(first.loss / 3);
    const evaluated = await (
      await open(programs.evaluate.model)
    ).run(new Map([...trainer.parameters, ['x', x], ['y', y]]));
    expect(scalarOf(evaluated, 'loss_sum') / 6).toBeCloseTo(last.loss, 5);
  });

  test('a length that isn’t fixed is refused, with the reason', () => {
    expect(describeFault(faultOf(classifier(op, 'steps')))).toMatch(
      /node h: dimension steps must be a number, because its time steps are written out one by one/,
    );
  });

  test('its head alone trains with any length', async () => {
    const programs = programsOf(classifier(op, 'steps'), { trainable: ['head', 'bias'] });
    expect(opsOf(programs.train.model)).toContain(op);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    for (const steps of [2, 7]) {
      const { loss } = await trainer.step(drawn([4, steps, SIZE], 7), labels(4, 3), 0.1);
      expect(loss).toBeGreaterThan(0);
    }
  });
});

test('what can’t be written out is named', () => {
  const model = decodeModel(classifier('LSTM', STEPS));
  const [before, node, ...after] = model.nodes;
  if (before === undefined || node === undefined) throw new Error('no LSTM');
  const odd = makeNode('LSTM', node.input, node.output, { hidden_size: HIDDEN, input_forget: 1 });
  expect(faultOf(encodeModel({ ...model, nodes: [before, odd, ...after] }))).toMatchObject({
    operators: [{ op: 'LSTM', why: 'its attribute input_forget is not written out' }],
  });
});
