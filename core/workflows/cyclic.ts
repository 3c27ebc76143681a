import * as v from 'valibot';
import type { ModelRef } from '../protocol/job-status.ts';
import { Clients, Order, ParamsTypeArg, Rounds, Seconds } from './args.ts';
import { broadcast, event, panic, sampleClients, saveModel } from './ops.ts';
import { again, done, workflow } from './workflow.ts';

/** Args of `cyclic`; times in seconds. */
export const CyclicArgs = v.strictObject({
  rounds: Rounds,
  /** Absent: the sites joined when a round begins, sorted by name. */
  order: v.exactOptional(Order),
  clients: v.optional(Clients, ['@all']),
  paramsType: v.optional(ParamsTypeArg, 'ANY'),
  /** A site that has taken the model and doesn't answer in this time is skipped. */
  taskTimeout: v.optional(Seconds, 0),
  /** A site that doesn't take the model in this time, or falls silent with it, is skipped. */
  assignmentTimeout: v.optional(Seconds, 60),
});
export type CyclicArgs = v.InferOutput<typeof CyclicArgs>;

type State = { round: number; model: ModelRef };

/**
 * Cyclic weight transfer (Chang et al. 2018; FLARE's CyclicController): the model goes from site to site, each trains what
 * the one before it made; nothing is averaged. A lost or failing site is skipped, a round in which all are ends the job.
 */
export const cyclic = workflow<CyclicArgs, State>({
  name: 'cyclic',
  version: 1,
  args: CyclicArgs,
  needsModel: true,
  tasks: ['train'],
  totalRounds: (p) => p.rounds,
  aggregators: () => ['mean'],
  roundOf: (state) => state.round,
  start(_, { model }) {
    if (!model) throw new Error('cyclic needs a model: the job names none');
    return { round: 0, model };
  },
  *round(p, { round, model }) {
    const skipped: string[] = [];
    const order = p.order ?? (yield* sampleClients({ clients: p.clients }));
    for (const site of order) {
      const leg = yield* broadcast({
        name: 'train',
        to: [site],
        model,
        data: {},
        round,
        totalRounds: p.rounds,
        results: {
          kind: 'fold',
          paramsType: p.paramsType,
          fold: { use: 'mean', weightBy: 'uniform', partial: false },
        },
        min: null,
        waitAfterMin: 0,
        timeout: p.taskTimeout,
        assignmentTimeout: p.assignmentTimeout,
        onShortfall: 'skip',
        ignoreErrors: true,
      });
      if (leg.model) {
        model = leg.model;
        yield* saveModel(model);
        continue;
      }
      const why = leg.replies[0]?.returnCode ?? leg.missing[0]?.reason ?? 'no answer';
      skipped.push(`${site}: ${why}`);
      yield* event('skipped', { site, round, reason: why });
    }
    if (skipped.length === order.length) {
      yield* panic(
        `round ${round}: no site trained the model (${skipped.join(', ') || 'no site has joined'})`,
      );
    }
    yield* event('round', {
      state: 'done',
      round,
      totalRounds: p.rounds,
      model: model.digest,
      skipped,
    });
    return round + 1 < p.rounds
      ? again({ round: round + 1, model })
      : done({ rounds: p.rounds, global: model });
  },
});
