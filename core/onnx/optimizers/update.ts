import type { Dtype } from '../../tensors/dtype.ts';
import type { InputSpec, ProgramInputs, StateSpec, TermSpec } from '../../tensors/manifest.ts';
import { allStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { descended } from './arithmetic.ts';
import { clipped } from './clip.ts';
import { optimizerOf } from './registry.ts';
import type { OptimizerOptions } from './registry.ts';

/** What an update adds to a graph. */
export interface Update {
  /** The graph value of each parameter's next value, by parameter. */
  readonly next: ReadonlyMap<string, string>;
  readonly state: readonly { readonly spec: StateSpec; readonly next: string }[];
  /** The inputs that it declared: the learning rate, and `step` and `mu` where the options ask for them. */
  readonly inputs: Pick<ProgramInputs, 'lr' | 'step' | 'mu'>;
  readonly terms: readonly TermSpec[];
}

/**
 * Appends the update of every parameter, from its gradient. The order is fixed: proximal term, clipping (over all
 * gradients), the optimizer's own rule, control variates. `step` is the number of the step where the graph has that
 * already, as a float32 scalar.
 */
export const update = (
  g: Emitter,
  gradients: ReadonlyMap<string, string>,
  options: OptimizerOptions,
  step?: string,
): Update => {
  const optimizer = optimizerOf(options);
  const inputs: { [K in 'lr' | 'step' | 'mu']?: InputSpec } = {};
  const scalar = (name: keyof typeof inputs): string =>
    (inputs[name] ??= { input: g.input(g.fresh(name), SCALAR), ...SCALAR }).input;
  const lr = scalar('lr');
  const count = (): string => step ?? scalar('step');
  const terms: TermSpec[] = [];
  const term = (kind: 'received' | 'control', name: string): string => {
    const { dtype, shape } = typeOf(g, name);
    const input = g.input(g.fresh(`${kind}/${name}`), { dtype, shape });
    terms.push({ kind, name, dtype, shape, input });
    return input;
  };
  const pulled = options.proximal
    ? new Map(
        [...gradients].map(([name, gradient]) => {
          const away = g.op('Sub', [name, term('received', name)]);
          return [name, g.op('Add', [gradient, g.op('Mul', [away, scalar('mu')])])];
        }),
      )
    : gradients;
  const bounded = options.clip ? clipped(g, pulled, options.clip) : pulled;
  const next = new Map<string, string>();
  const state: Update['state'][number][] = [];
  for (const [parameter, gradient] of bounded) {
    const type = typeOf(g, parameter);
    const slots = Object.fromEntries(
      optimizer.slots.map((slot) => [slot, g.input(g.fresh(`${slot}/${parameter}`), type)]),
    );
    const stepped = optimizer.step(g, { parameter, gradient, lr, count, state: slots });
    next.set(
      parameter,
      options.control
        ? descended(g, stepped.parameter, lr, term('control', parameter))
        : stepped.parameter,
    );
    for (const [slot, input] of Object.entries(slots)) {
      const name = `${slot}/${parameter}`;
      const spec = { name, ...type, input, output: g.fresh(`next/${name}`) };
      state.push({ spec, next: stepped.state[slot] ?? input });
    }
  }
  return { next, state, inputs, terms };
};

/** A parameter's type: that of an initializer, whose shape is always known. */
const typeOf = (g: Emitter, name: string): { dtype: Dtype; shape: readonly number[] } => {
  const type = g.types.get(name);
  if (type === undefined || !allStatic(type.shape)) throw new Error(`${name} is no parameter`);
  return { dtype: type.dtype, shape: type.shape };
};

const SCALAR = { dtype: 'F32', shape: [] } as const;
