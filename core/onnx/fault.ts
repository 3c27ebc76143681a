import type { Dim } from './dim.ts';

/** A node that stands between a parameter and the loss and has no gradient. `path` leads from it to the loss. */
export interface BlockedOperator {
  readonly op: string;
  readonly node: string;
  readonly path: readonly string[];
  readonly why: string;
}

/** Why a model can't be turned into programs. Every case is found before anything runs. */
export type DifferentiateFault =
  | { readonly reason: 'malformed_model'; readonly detail: string }
  | { readonly reason: 'unsupported_model'; readonly detail: string }
  | { readonly reason: 'unsupported_opset'; readonly opset: number; readonly expected: string }
  | { readonly reason: 'blocked_operators'; readonly operators: readonly BlockedOperator[] }
  | { readonly reason: 'unknown_shape'; readonly node: string; readonly value: string }
  | {
      readonly reason: 'symbolic_dimension';
      readonly node: string;
      readonly dim: Dim;
      readonly why: string;
    }
  | { readonly reason: 'nothing_to_train'; readonly detail: string }
  | { readonly reason: 'loss_mismatch'; readonly expected: string; readonly got: string }
  | { readonly reason: 'bad_option'; readonly option: string; readonly detail: string };

/** Carries a fault out of a rule; `differentiate` turns it into a Result. Never leaves this room. */
class Refusal extends Error {
  readonly fault: DifferentiateFault;

  constructor(fault: DifferentiateFault) {
    super(JSON.stringify(fault));
    this.name = 'Refusal';
    this.fault = fault;
  }
}

export const refuse = (fault: DifferentiateFault): never => {
  throw new Refusal(fault);
};

/** Runs `make` and answers its value, or the fault of the refusal that it threw. */
export const settle = <T>(
  make: () => T,
):
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DifferentiateFault } => {
  try {
    return { ok: true, value: make() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, error: error.fault };
    throw error;
  }
};

/** For a person: one sentence, or one line per blocked operator. */
export const describeFault = (fault: DifferentiateFault): string => {
  const { reason } = fault;
  if (reason === 'malformed_model') return `the model is malformed: ${fault.detail}`;
  if (reason === 'unsupported_model') return `the model can't be differentiated: ${fault.detail}`;
  if (reason === 'unsupported_opset') {
    return `opset ${fault.opset} is not supported; expected ${fault.expected}`;
  }
  if (reason === 'blocked_operators') {
    return fault.operators
      .map(({ op, node, path, why }) => `${op} (node ${node}): ${why}; path: ${path.join(' -> ')}`)
      .join('\n');
  }
  if (reason === 'unknown_shape') {
    return `the shape of ${fault.value}, needed at node ${fault.node}, can't be inferred`;
  }
  if (reason === 'symbolic_dimension') {
    return `node ${fault.node}: dimension ${fault.dim} must be a number, ${fault.why}; if an input has it, give its size in the option \`dimensions\``;
  }
  if (reason === 'nothing_to_train') return `nothing to train: ${fault.detail}`;
  if (reason === 'loss_mismatch') return `the loss expects ${fault.expected}, got ${fault.got}`;
  return `option ${fault.option}: ${fault.detail}`;
};
