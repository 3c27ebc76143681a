import type { Result } from '../tensors/result.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { backward } from './backward.ts';
import { BATCH } from './batch.ts';
import { decodeModel } from './codec.ts';
import { Emitter } from './emitter.ts';
import { refuse, settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import { globMatches } from './glob.ts';
import type { Graph } from './graph.ts';
import { lossOf } from './losses/registry.ts';
import type { LossOptions } from './losses/registry.ts';
import type { Target } from './lowering/rule.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { opsetOf, prepare } from './prepare.ts';
import type { Program } from './program.ts';
import { evaluateProgram, predictProgram, trainProgram } from './programs.ts';
import { routeTo } from './route.ts';

export interface DifferentiateOptions {
  readonly loss: LossOptions;
  readonly optimizer: OptimizerOptions;
  /** Globs of the parameters to learn; the others are frozen. Default: every float32 initializer behind the loss. */
  readonly trainable?: readonly string[];
  /** The runtime that the train program is written for. Default `wasm`. */
  readonly target?: Target;
}

/** What a forward model becomes. Parameters are inputs of each program, under their original names. */
export interface Programs {
  /** parameters, state, x, y, lr -> new parameters, new state, and the metrics of the model as it came in */
  readonly train: Program;
  /** parameters, x, y -> loss_sum, examples and the loss's other sums over the batch (float32 scalars) */
  readonly evaluate: Program;
  /** parameters, x -> the model's own outputs */
  readonly predict: Program;
  /** The weights that the model came with. */
  readonly parameters: Tensors;
}

/**
 * Turns a forward ONNX model into programs that an inference-only ONNX Runtime trains, evaluates and predicts with.
 * Invariants:
 * 1. No weights inside: a program is the same for every site and round.
 * 2. The batch size is a symbol: one program serves the last, smaller batch as well.
 * 3. Whatever can't be trained is said here, as a fault; nothing is approximated silently.
 * 4. The same model and options give the same bytes.
 */
export const differentiate = (
  model: Uint8Array,
  options: DifferentiateOptions,
): Result<Programs, DifferentiateFault> => settle(() => programsOf(model, options));

const programsOf = (model: Uint8Array, options: DifferentiateOptions): Programs => {
  const { graph, modelOpset } = prepare(decodeModel(model));
  const loss = lossOf(options.loss);
  const wanted = trainableOf(graph, options.trainable);
  const g = Emitter.of(graph, opsetOf(graph));
  const judged = loss.judges(graph);
  const route = routeTo(g, judged, wanted, modelOpset);
  const nodes = loss.append(g, judged, graph);
  for (const output of judged) {
    if (g.types.get(output)?.shape[0] === BATCH) continue;
    refuse({
      reason: 'loss_mismatch',
      expected: 'an output of one row per example; export the model with a dynamic batch size',
      got: `${output} ${JSON.stringify(g.types.get(output)?.shape)}`,
    });
  }
  const grads = backward(g, route, nodes.seeds);
  const gradients = new Map(
    [...wanted].flatMap((name): [string, string][] => {
      const grad = grads.get(name);
      return grad === undefined ? [] : [[name, grad]];
    }),
  );
  if (gradients.size === 0) {
    refuse({ reason: 'nothing_to_train', detail: 'the loss depends on no trainable parameter' });
  }
  const frame = { g, graph, loss: nodes, gradients };
  return {
    train: trainProgram(frame, options.optimizer, options.target ?? 'wasm'),
    evaluate: evaluateProgram(frame),
    predict: predictProgram(frame),
    parameters: graph.initializers,
  };
};

const trainableOf = (graph: Graph, globs: readonly string[] | undefined): ReadonlySet<string> => {
  const names = [...graph.initializers.keys()];
  for (const glob of globs ?? []) {
    if (names.some((name) => globMatches(glob, name))) continue;
    refuse({
      reason: 'bad_option',
      option: 'trainable',
      detail: `${glob} fits none of ${names.join(', ')}`,
    });
  }
  const chosen = names.filter(
    (name) => globs === undefined || globs.some((glob) => globMatches(glob, name)),
  );
  const other = chosen.find((name) => graph.initializers.get(name)?.dtype !== 'F32');
  if (globs !== undefined && other !== undefined) {
    refuse({
      reason: 'bad_option',
      option: 'trainable',
      detail: `${other} is ${graph.initializers.get(other)?.dtype}; only F32 is trained`,
    });
  }
  return new Set(chosen.filter((name) => graph.initializers.get(name)?.dtype === 'F32'));
};
