import * as v from 'valibot';
import { LIMITS } from '../protocol/limits.ts';
import type { ModelRef } from '../protocol/job-status.ts';
import { Clients, ParamsTypeArg, Rounds, Seconds } from './args.ts';
import { broadcast, event, sampleClients, saveModel } from './ops.ts';
import type { Flow, MetricTotal, Outcome, TaskRequest } from './ops.ts';
import { again, done, workflow } from './workflow.ts';

const Weight = v.pipe(
  v.number('a number'),
  v.finite('a finite number'),
  v.minValue(0, 'at least 0'),
  v.maxValue(LIMITS.weightFactor, `at most ${LIMITS.weightFactor}`),
);

/** Args of `fed-avg`; times in seconds. */
export const FedAvgArgs = v.strictObject({
  rounds: Rounds,
  /** Absent: the sites joined when a round begins, all of whom must answer. Else: whoever polls, until so many have. */
  minResponses: v.exactOptional(
    v.pipe(
      v.number('a number of sites'),
      v.integer('a whole number of sites'),
      v.minValue(1, 'at least 1 site'),
      v.maxValue(LIMITS.sitesPerJob, `at most ${LIMITS.sitesPerJob} sites`),
    ),
  ),
  waitAfterMin: v.optional(Seconds, 0),
  timeout: v.optional(Seconds, 0),
  assignmentTimeout: v.optional(Seconds, 0),
  clients: v.optional(Clients, ['@all']),
  paramsType: v.optional(ParamsTypeArg, 'ANY'),
  partial: v.optional(v.boolean('true or false'), false),
  aggregator: v.optional(v.pipe(v.string(), v.minLength(1, "an aggregator's name")), 'mean'),
  weightBy: v.optional(
    v.picklist(['steps', 'examples', 'uniform'], 'steps, examples or uniform'),
    'steps',
  ),
  maxWeight: v.exactOptional(v.pipe(Weight, v.gtValue(0, 'more than 0'))),
  aggregationWeights: v.exactOptional(v.record(v.string(), Weight)),
  onShortfall: v.optional(
    v.picklist(['suspend', 'skip', 'fail'], 'suspend, skip or fail'),
    'suspend',
  ),
  keyMetric: v.optional(v.pipe(v.string(), v.minLength(1, "a metric's name")), 'accuracy'),
  keyMetricMode: v.optional(v.picklist(['max', 'min'], 'max or min'), 'max'),
  /**
   * How `best` is chosen. A train result's metrics describe the model that was sent, so `validate` gives them to that
   * one and asks about the last one in a closing broadcast; `flare` labels the new aggregate with them, as FLARE does.
   */
  selection: v.optional(
    v.picklist(['validate', 'flare', 'none'], 'validate, flare or none'),
    'validate',
  ),
  validateTimeout: v.optional(Seconds, 600),
});
export type FedAvgArgs = v.InferOutput<typeof FedAvgArgs>;

type Best = { value: number; round: number; model: ModelRef };
type State = { round: number; model: ModelRef; best: Best | null };

const value = ({ sum, count }: MetricTotal): number | null => (count > 0 ? sum / count : null);

const score = (p: FedAvgArgs, { metrics }: Outcome): number | null => {
  const total = metrics[p.keyMetric];
  return total === undefined ? null : value(total);
};

/** The better of two, names the newcomer `best` if it wins. Between equals the earlier stays. */
function* select(p: FedAvgArgs, best: Best | null, next: Best): Flow<Best> {
  const better =
    p.keyMetricMode === 'max'
      ? next.value > (best?.value ?? -Infinity)
      : next.value < (best?.value ?? Infinity);
  if (best && !better) return best;
  yield* saveModel(next.model, 'best');
  return next;
}

/** Asks the sites about the final model, so that it too can be the best. A site that fails is left out. */
function* closing(
  p: FedAvgArgs,
  round: number,
  model: ModelRef,
  to: readonly string[],
): Flow<number | null> {
  const asked = yield* broadcast({
    name: 'validate',
    to,
    model,
    data: { owner: 'global' },
    round,
    totalRounds: p.rounds,
    results: { kind: 'metrics' },
    min: null,
    waitAfterMin: 0,
    timeout: p.validateTimeout,
    assignmentTimeout: p.validateTimeout,
    onShortfall: 'skip',
    ignoreErrors: true,
  });
  return score(p, asked);
}

const train = (
  p: FedAvgArgs,
  { round, model }: State,
  to: readonly string[] | '*',
): TaskRequest => ({
  name: 'train',
  to,
  ...(to === '*' ? { clients: p.clients } : {}),
  model,
  data: {},
  round,
  totalRounds: p.rounds,
  results: {
    kind: 'fold',
    paramsType: p.paramsType,
    fold: {
      use: p.aggregator,
      weightBy: p.weightBy,
      ...(p.maxWeight === undefined ? {} : { maxWeight: p.maxWeight }),
      ...(p.aggregationWeights === undefined ? {} : { aggregationWeights: p.aggregationWeights }),
      partial: p.partial,
    },
  },
  min: p.minResponses ?? null,
  waitAfterMin: p.waitAfterMin,
  timeout: p.timeout,
  assignmentTimeout: p.assignmentTimeout,
  onShortfall: p.onShortfall,
  ignoreErrors: false,
});

/**
 * Federated averaging (McMahan et al. 2017; FLARE's FedAvg): each round sends `global` to the sites, which train it, and
 * makes their updates the new `global`.
 */
export const fedAvg = workflow<FedAvgArgs, State>({
  name: 'fed-avg',
  version: 1,
  args: FedAvgArgs,
  needsModel: true,
  tasks: ['train'],
  totalRounds: (p) => p.rounds,
  aggregators: (p) => [p.aggregator],
  roundOf: (state) => state.round,
  start(_, { model }) {
    if (!model) throw new Error('fed-avg needs a model: the job names none');
    return { round: 0, model, best: null };
  },
  *round(p, state) {
    const { round, model } = state;
    let { best } = state;
    const to = p.minResponses === undefined ? yield* sampleClients({ clients: p.clients }) : '*';
    const trained = yield* broadcast(train(p, state, to));
    const next = trained.model ?? model;
    yield* saveModel(next);

    const seen = p.selection === 'none' ? null : score(p, trained);
    const labelled = p.selection === 'flare' ? next : model;
    if (seen !== null) best = yield* select(p, best, { value: seen, round, model: labelled });
    yield* event('round', {
      state: 'done',
      round,
      totalRounds: p.rounds,
      model: next.digest,
      status: trained.status,
    });
    if (round + 1 < p.rounds) return again({ round: round + 1, model: next, best });

    if (p.selection === 'validate' && best) {
      const ok = trained.replies.filter((reply) => reply.returnCode === 'OK');
      const last = yield* closing(
        p,
        round,
        next,
        ok.map((reply) => reply.site),
      );
      if (last !== null)
        best = yield* select(p, best, { value: last, round: p.rounds, model: next });
    }
    return done({ rounds: p.rounds, global: next, best: best && { metric: p.keyMetric, ...best } });
  },
});
