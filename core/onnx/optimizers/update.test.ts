import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { ManifestSchema } from '../../protocol/manifest.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { encodeModel } from '../codec.ts';
import { Emitter } from '../emitter.ts';
import { settle } from '../fault.ts';
import { distance, f32, open, tensorOf, Trainer, vector, zeros } from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import { bytes, labels, programsOf, small } from '../small-models.suite.ts';
import { describeOptions } from './registry.ts';
import type { OptimizerOptions } from './registry.ts';
import { update } from './update.ts';
import type { Update } from './update.ts';

type Stored = Readonly<Record<string, StoredTensor>>;

const torch = vector('optimizers') as {
  readonly start: Stored;
  readonly received: Stored;
  readonly control: Stored;
  readonly gradients: readonly Stored[];
  readonly lrs: readonly number[];
  readonly mu: number;
  readonly cases: readonly {
    readonly options: OptimizerOptions;
    readonly first: Stored;
    readonly last: Stored;
    readonly state: Stored;
  }[];
};

interface Made {
  readonly model: Uint8Array;
  readonly made: Update;
  readonly nodes: readonly string[];
}

/** An update as a model of its own: parameters, gradients and whatever else it asks for -> `update`'s values. */
const updateModel = (options: OptimizerOptions, shapes: Tensors): Made => {
  const g = new Emitter(17);
  for (const [name, { dtype, shape }] of shapes) {
    g.input(name, { dtype, shape });
    g.input(`d ${name}`, { dtype, shape });
  }
  const gradients = new Map([...shapes.keys()].map((name) => [name, `d ${name}`]));
  const made = update(g, gradients, options);
  const outputs = [...made.next.values(), ...made.state.map(({ next }) => next)];
  const inputs = [...g.types].filter(
    ([name]) => !g.constants.has(name) && !g.nodes.some(({ output }) => output.includes(name)),
  );
  const model = encodeModel({
    name: 'update',
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: inputs.map(([name, type]) => ({ name, ...type })),
    outputs: outputs.map((name) => ({ name })),
    nodes: g.nodes,
    initializers: new Map(),
    constants: g.constants,
    hints: new Map(),
    metadata: new Map(),
  });
  return { model, made, nodes: g.nodes.map(({ opType }) => opType) };
};

const tensors = (stored: Stored, prefix = ''): [string, ReturnType<typeof tensorOf>][] =>
  Object.entries(stored).map(([name, tensor]) => [`${prefix}${name}`, tensorOf(tensor)]);

const START: Tensors = new Map(tensors(torch.start));

const get = (from: Tensors, name: string | undefined) => {
  const tensor = from.get(name ?? '');
  if (tensor === undefined) throw new Error(`no ${name}`);
  return tensor;
};

/** Carries parameters and state from step to step, and answers what they are after each. */
const run = async ({ model, made }: Made, start: Tensors, lrs: readonly number[]) => {
  const session = await open(model);
  const current: Tensors = new Map(start);
  for (const { spec } of made.state) current.set(spec.input, zeros(spec));
  const fixed = [...tensors(torch.received, 'received/'), ...tensors(torch.control, 'control/')];
  const history: Tensors[] = [];
  for (const [i, lr] of lrs.entries()) {
    const scalars: Tensors = new Map([
      ['lr', f32([], [lr])],
      ['step', f32([], [i + 1])],
      ['mu', f32([], [torch.mu])],
    ]);
    const gradients = tensors(torch.gradients[i] ?? {}, 'd ');
    const out = await session.run(new Map([...current, ...scalars, ...fixed, ...gradients]));
    for (const [name, next] of made.next) current.set(name, get(out, next));
    for (const { spec, next } of made.state) current.set(spec.input, get(out, next));
    history.push(new Map(current));
  }
  await session.release();
  return history;
};

const expectClose = (what: string, got: Tensors | undefined, expected: Stored): void => {
  for (const [name, stored] of Object.entries(expected)) {
    const { by, scale } = distance(got?.get(name), tensorOf(stored));
    expect(by, `${name}, ${what}`).toBeLessThanOrEqual(3e-6 * scale + 3e-7);
  }
};

/** Kernels that ONNX Runtime's WebGPU provider has; others would fall back to the CPU. */
const ON_GPU = /^(Add|Clip|Div|Greater|Mul|ReduceSumSquare|Relu|Sqrt|Sub|Tanh|Where)$/;

describe("PyTorch's optimizers", () => {
  const title = (options: OptimizerOptions) => JSON.stringify(describeOptions(options));
  test.each(torch.cases.map((of) => ({ ...of, title: title(of.options) })))(
    '$title',
    async ({ options, first, last, state }) => {
      const made = updateModel(options, START);
      const history = await run(made, START, torch.lrs);
      expectClose('first step', history[0], first);
      expectClose('last step', history.at(-1), last);
      expectClose('state', history.at(-1), state);
      expect(made.nodes.filter((op) => !ON_GPU.test(op))).toEqual([]);
      expect(made.made.state.map(({ spec }) => spec.name).toSorted()).toEqual(
        Object.keys(state).toSorted(),
      );
    },
  );

  test('every rule and option has a vector', () => {
    const seen = new Set(torch.cases.map(({ options }) => options.name));
    expect([...seen].toSorted()).toEqual(['adagrad', 'adam', 'adamw', 'rmsprop', 'sgd']);
  });
});

describe('an update', () => {
  test('declares what it reads, and nothing else', () => {
    const declared = (options: OptimizerOptions) => {
      const { inputs, terms } = updateModel(options, START).made;
      return [...Object.keys(inputs), ...terms.map(({ input }) => input)];
    };
    expect(declared({ name: 'sgd' })).toEqual(['lr']);
    expect(declared({ name: 'adam' })).toEqual(['lr', 'step']);
    expect(declared({ name: 'adagrad' })).toEqual(['lr']);
    expect(declared({ name: 'adagrad', lrDecay: 0.1 })).toEqual(['lr', 'step']);
    expect(declared({ name: 'sgd', proximal: true, control: true })).toEqual([
      'lr',
      'mu',
      'received/w',
      'received/b',
      'received/s',
      'control/w',
      'control/b',
      'control/s',
    ]);
  });

  test('counts by the number it is given, where there is one', () => {
    const g = new Emitter(17);
    for (const name of ['w', 'd w', 'n']) g.input(name, { dtype: 'F32', shape: [] });
    const { inputs } = update(g, new Map([['w', 'd w']]), { name: 'adam' }, 'n');
    expect(Object.keys(inputs)).toEqual(['lr']);
    expect(g.nodes.some(({ input }) => input.includes('n'))).toBe(true);
  });

  test('adds few nodes per parameter', () => {
    const nodes = (options: OptimizerOptions, count: number) =>
      updateModel(options, new Map([...START].slice(0, count))).nodes.length;
    const perParameter = (options: OptimizerOptions) => nodes(options, 2) - nodes(options, 1);
    expect(perParameter({ name: 'sgd' })).toBe(2);
    expect(perParameter({ name: 'sgd', momentum: 0.9 })).toBe(4);
    expect(perParameter({ name: 'adam' })).toBe(12);
    expect(perParameter({ name: 'sgd', momentum: 0.9, clip: { norm: 1 } })).toBe(7);
  });

  test('stays accurate in long runs', async () => {
    const one = f32([], [1]);
    const made = updateModel({ name: 'adam', betas: [0.9, 0.9999], eps: 0 }, new Map([['w', one]]));
    const session = await open(made.model);
    const after = async (step: number): Promise<number> => {
      const feeds: Tensors = new Map([
        ['w', f32([], [0])],
        ['d w', one],
        ['lr', one],
        ['step', f32([], [step])],
        ['exp_avg/w', one],
        ['exp_avg_sq/w', one],
      ]);
      return Number(get(await session.run(feeds), made.made.next.get('w')).data[0]);
    };
    // Both means stay 1, so what is left of the step is the bias correction.
    for (const step of [1, 2, 10, 1000, 12_345, 1e6, 16_777_216]) {
      const expected = -Math.sqrt(1 - 0.9999 ** step) / (1 - 0.9 ** step);
      expect(Math.abs((await after(step)) / expected - 1), `step ${step}`).toBeLessThan(1e-6);
    }
  });

  test('adds 1e-6 to the norm that it clips by, as PyTorch does', async () => {
    const w = new Map([['w', f32([2], [0, 0])]]);
    const { model, made } = updateModel({ name: 'sgd', clip: { norm: 1e-7 } }, w);
    const feeds = new Map([...w, ['d w', f32([2], [3e-6, 4e-6])], ['lr', f32([], [1])]] as const);
    const out = get(await (await open(model)).run(feeds), made.next.get('w'));
    // torch.nn.utils.clip_grad_norm_ of 1e-7: by 1e-7 / (5e-6 + 1e-6)
    expect(Number(out.data[0]) / -5e-8).toBeCloseTo(1, 5);
    expect(Number(out.data[1]) / -(4e-6 / 60)).toBeCloseTo(1, 5);
  });

  test('leaves gradients within the norm alone, and zero gradients zero', async () => {
    const made = updateModel({ name: 'sgd', clip: { norm: 1e6 } }, START);
    const plain = updateModel({ name: 'sgd' }, START);
    const [a, b] = [await run(made, START, [0.1]), await run(plain, START, [0.1])];
    expect(a[0]).toEqual(b[0]);
    const session = await open(updateModel({ name: 'sgd', clip: { norm: 1 } }, START).model);
    const still = [...START].map(([name, of]) => [`d ${name}`, zeros(of as never)] as const);
    const out = await session.run(new Map([...START, ...still, ['lr', f32([], [1])]]));
    expect([...out.values()].map(({ data }) => data)).toEqual(
      [...START.values()].map(({ data }) => data),
    );
  });
});

describe('a train program', () => {
  const fancy = { clip: { norm: 100 }, proximal: true, control: true } as const;

  test('lists its terms, and is the plain optimizer where they are zero', async () => {
    const [plain, asked] = [
      programsOf(small(), { optimizer: { name: 'adam' } }),
      programsOf(small(), { optimizer: { name: 'adam', ...fancy } }),
    ];
    const { manifest } = asked.train;
    expect(v.parse(ManifestSchema, manifest)).toEqual(manifest);
    expect(Object.keys(manifest.inputs)).toEqual(['x', 'y', 'lr', 'mu', 'step']);
    expect(manifest.terms?.map(({ input }) => input)).toEqual(
      ['received', 'control'].flatMap((kind) =>
        [...asked.parameters.keys()].map((name) => `${kind}/${name}`),
      ),
    );
    expect(manifest.optimizer).toEqual({
      name: 'adam',
      'clip.norm': 100,
      proximal: true,
      control: true,
    });
    const zero: Tensors = new Map([
      ['mu', f32([], [0])],
      ...(manifest.terms ?? []).map((term) => [term.input, zeros(term)] as const),
    ]);
    const [a, b] = [
      await Trainer.start(plain.train, plain.parameters),
      await Trainer.start(asked.train, asked.parameters),
    ];
    for (let i = 0; i < 3; i++) {
      await a.step(bytes([4, 1, 4, 4], i), labels(4, 3), 0.01);
      await b.step(bytes([4, 1, 4, 4], i), labels(4, 3), 0.01, zero);
    }
    for (const [name, tensor] of a.parameters) {
      expect(distance(b.parameters.get(name), tensor).by).toBeLessThanOrEqual(1e-6);
      expect(distance(asked.parameters.get(name), tensor).by).toBeGreaterThan(1e-3);
    }
  });
});

describe('options out of range', () => {
  test.each<[string, OptimizerOptions]>([
    ['optimizer.betas', { name: 'adam', betas: [0.9, 1] }],
    ['optimizer.eps', { name: 'adamw', eps: -1 }],
    ['optimizer.weightDecay', { name: 'adagrad', weightDecay: Number.NaN }],
    ['optimizer.lrDecay', { name: 'adagrad', lrDecay: -0.1 }],
    ['optimizer.alpha', { name: 'rmsprop', alpha: 1.5 }],
    ['optimizer.momentum', { name: 'rmsprop', momentum: -1 }],
    ['optimizer.clip.norm', { name: 'sgd', clip: { norm: 0 } }],
    ['optimizer.clip.value', { name: 'sgd', clip: { value: -2 } }],
  ])('%s', (option, options) => {
    const made = settle(() => updateModel(options, START));
    expect(made).toMatchObject({ ok: false, error: { reason: 'bad_option', option } });
  });
});
