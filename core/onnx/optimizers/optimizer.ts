import type { Emitter } from '../emitter.ts';

/** One parameter's step, as graph values. */
export interface Step {
  readonly parameter: string;
  readonly gradient: string;
  readonly lr: string;
  /** The number of this step, a float32 scalar that counts from 1; asking for it makes it an input of the program. */
  readonly count: () => string;
  /** The optimizer's memory of this parameter, by slot. */
  readonly state: Readonly<Record<string, string>>;
}

/** Its outcome. */
export interface Stepped {
  readonly parameter: string;
  readonly state: Readonly<Record<string, string>>;
}

/** An update rule with its constants bound. `slots`: the tensors it keeps per parameter, each of its shape, from zeros. */
export interface Optimizer {
  readonly slots: readonly string[];
  readonly step: (g: Emitter, step: Step) => Stepped;
}
