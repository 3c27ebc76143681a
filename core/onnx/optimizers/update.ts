import type { InputSpec, ProgramInputs, StateSpec, TermSpec } from '../../tensors/manifest.ts';
import { allStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
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
  const next = new Map<string, string>();
  const state: Update['state'][number][] = [];
  for (const [parameter, gradient] of gradients) {
    const type = g.types.get(parameter);
    if (type === undefined || !allStatic(type.shape)) continue;
    const { dtype, shape } = type;
    const slots = Object.fromEntries(
      optimizer.slots.map((slot) => [slot, g.input(g.fresh(`${slot}/${parameter}`), type)]),
    );
    const stepped = optimizer.step(g, { parameter, gradient, lr, count, state: slots });
    next.set(parameter, stepped.parameter);
    for (const [slot, input] of Object.entries(slots)) {
      const name = `${slot}/${parameter}`;
      const spec = { name, dtype, shape, input, output: g.fresh(`next/${name}`) };
      state.push({ spec, next: stepped.state[slot] ?? input });
    }
  }
  return { next, state, inputs, terms: [] };
};

const SCALAR = { dtype: 'F32', shape: [] } as const;
