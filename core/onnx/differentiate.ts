import type { Result } from '../tensors/result.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { backward } from './backward.ts';
import { BATCH } from './batch.ts';
import { decodeModel } from './codec.ts';
import { decomposed } from './decompose.ts';
import { withDimensions } from './dimensions.ts';
import type { Dimensions } from './dimensions.ts';
import { Emitter } from './emitter.ts';
import { refuse, settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import type { Graph } from './graph.ts';
import type { ExternalData } from './import/external-data.ts';
import { withFixedInputs } from './import/fixed-inputs.ts';
import { adaptersOf } from './lora/adapter.ts';
import type { LoraOptions } from './lora/adapter.ts';
import { withBranches, withChangedWeights } from './lora/adapted.ts';
import type { Loss } from './losses/loss.ts';
import { lossOf } from './losses/registry.ts';
import type { LossOptions } from './losses/registry.ts';
import type { Target } from './lowering/rule.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { keptApart } from './per-example/apart.ts';
import { clippedGradients, summed } from './per-example/gradients.ts';
import type { PerExampleOptions } from './per-example/gradients.ts';
import { opsetOf, prepare } from './prepare.ts';
import type { Program } from './program.ts';
import { evaluateProgram, predictProgram, trainPrograms } from './programs.ts';
import type { Originals } from './restoration/original.ts';
import { rolesOf, withAdapters } from './roles.ts';
import type { RoleOptions } from './roles.ts';
import { routeTo } from './route.ts';
import { inferenceForm } from './training/registry.ts';
import { statisticsOf, trainGraph } from './training/train-graph.ts';

export interface DifferentiateOptions extends RoleOptions {
  readonly loss: LossOptions;
  readonly optimizer: OptimizerOptions;
  /** The runtime that the programs are written for. Default `wasm`. */
  readonly target?: Target;
  /** Adapters to learn in place of the weights beside which they stand. */
  readonly lora?: LoraOptions;
  /** Whether Dropout draws masks in training. Default true. */
  readonly dropout?: boolean;
  /** Gradients of each example by itself, cut to a norm: what DP-SGD needs. The model must keep examples apart. */
  readonly perExample?: PerExampleOptions;
  /** Sizes for symbolic dimensions of the inputs, by the names that the model gives them; the batch needs none. */
  readonly dimensions?: Dimensions;
  /** Values for inputs that are the same for every batch (a sample rate): they become part of the programs. */
  readonly fixed?: ReadonlyMap<string, Tensor>;
  /** Files beside the model that hold its large weights. */
  readonly externalData?: ExternalData;
  /**
   * The parameters under their original names (a state_dict, as `readSafetensors` gives it): the exporter's renaming,
   * merging and folding is undone (restoration/restore.ts).
   */
  readonly stateDict?: Originals;
}

/** What a forward model becomes. Parameters are inputs of each program, under their original names. */
export interface Programs {
  /** parameters, state, x, y, lr, ... -> new parameters, new state, and the metrics of the model as it came in */
  readonly train: Program;
  /** parameters, x, y, ... -> d loss / d parameter for each that is learned, and the metrics; no optimizer */
  readonly gradients: Program;
  /** parameters, x, y -> loss_sum, examples and the loss's other sums over the batch (float32 scalars) */
  readonly evaluate: Program;
  /** parameters, x -> the model's own outputs */
  readonly predict: Program;
  /** The weights that the model came with, and the adapters as they start; without those that stand inside. */
  readonly parameters: Tensors;
}

/**
 * Turns a forward ONNX model into programs that an inference-only ONNX Runtime trains, evaluates and predicts with.
 * Invariants:
 * 1. No weights inside, unless frozen ones were asked to be: a program is the same for every site and round.
 * 2. The batch size is a symbol: one program serves the last, smaller batch as well.
 * 3. Whatever can't be trained is said here, as a fault; nothing is approximated silently.
 * 4. The same model and options give the same bytes.
 * 5. `train` and `gradients` compute in training form (batch statistics, masks), `evaluate` and `predict` in that of
 *    inference, however the model was exported.
 */
export const differentiate = (
  model: Uint8Array,
  options: DifferentiateOptions,
): Result<Programs, DifferentiateFault> => settle(() => programsOf(model, options));

const programsOf = (model: Uint8Array, options: DifferentiateOptions): Programs => {
  const read = withFixedInputs(
    decodeModel(model, options.externalData),
    options.fixed ?? new Map(),
  );
  const { graph: prepared, modelOpset } = prepare(
    withDimensions(read, options.dimensions ?? {}),
    options.stateDict,
  );
  const graph: Graph = { ...prepared, nodes: prepared.nodes.map(inferenceForm) };
  const opset = opsetOf(graph);
  const loss = lossOf(options.loss);
  const adapters = options.lora === undefined ? [] : adaptersOf(graph, options.lora);
  const wanted = withAdapters(rolesOf(graph, statisticsOf(graph), defaults(options)), adapters);
  const changed = withChangedWeights(graph, adapters);
  const inference = Emitter.of(changed.graph, opset);
  const branched = decomposed(withBranches(graph, adapters), wanted.trainable);
  const training = trainGraph(branched, opset, {
    updated: wanted.buffers,
    drops: options.dropout ?? true,
  });
  const { g } = training;
  const ends = loss.judges(graph);
  const judged = ends.map((name) => g.resolve(name));
  const route = routeTo(g, judged, wanted.trainable, modelOpset);
  const { perExample } = options;
  const nodes = judge(g, perExample ? summed(options.loss) : loss, judged, graph);
  const slopes = perExample
    ? clippedGradients(g, route, nodes, {
        ...perExample,
        wanted: wanted.trainable,
        apart: keptApart(
          g,
          branched.inputs.map(({ name }) => name),
          judged,
        ),
      })
    : { gradients: gradientsOf(backward(g, route, nodes.seeds), wanted.trainable) };
  const { gradients } = slopes;
  if (gradients.size === 0) {
    refuse({ reason: 'nothing_to_train', detail: 'the loss depends on no trainable parameter' });
  }
  const roles = { ...wanted, trainable: new Set(gradients.keys()) };
  const target = options.target ?? 'wasm';
  const frame = {
    g: inference,
    graph: changed.graph,
    roles,
    adapters: changed.specs,
    loss: judge(inference, loss, ends, graph),
  };
  return {
    ...trainPrograms(
      {
        g,
        graph: branched,
        roles,
        adapters: adapters.map(({ spec }) => spec),
        loss: nodes,
        training,
        ...slopes,
        target,
      },
      options.optimizer,
    ),
    evaluate: evaluateProgram(frame, target),
    predict: predictProgram(frame, target),
    parameters: new Map([...branched.initializers].filter(([name]) => !roles.inside.has(name))),
  };
};

const gradientsOf = (
  grads: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string>,
): ReadonlyMap<string, string> =>
  new Map(
    [...wanted].flatMap((name): [string, string][] => {
      const grad = grads.get(name);
      return grad === undefined ? [] : [[name, grad]];
    }),
  );

/** With adapters, nothing else moves unless it is asked for, and the frozen weights don't travel. */
const defaults = (options: DifferentiateOptions): RoleOptions =>
  options.lora === undefined
    ? options
    : { trainable: [], buffers: [], frozen: 'inside', ...options };

/** Appends the loss. Refuses what isn't of one row per example. */
const judge = (g: Emitter, loss: Loss, judged: readonly string[], graph: Graph) => {
  const nodes = loss.append(g, judged, graph);
  for (const output of judged) {
    if (g.types.get(output)?.shape[0] === BATCH) continue;
    refuse({
      reason: 'loss_mismatch',
      expected: 'an output of one row per example; export the model with a dynamic batch size',
      got: `${output} ${JSON.stringify(g.types.get(output)?.shape)}`,
    });
  }
  return nodes;
};
