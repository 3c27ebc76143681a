import * as v from 'valibot';
import type { ModelRef } from '../protocol/job-status.ts';
import { Clients, Seconds } from './args.ts';
import { LIMITS } from '../protocol/limits.ts';
import { broadcast, loadModel, outcome, panic, sampleClients, saveModel, start } from './ops.ts';
import type { Flow, Outcome, TaskReply, TaskRequest } from './ops.ts';
import { done, workflow } from './workflow.ts';

/** Args of `cross-site-eval`; times in seconds. */
export const CrossSiteEvalArgs = v.strictObject({
  clients: v.optional(Clients, ['@all']),
  /**
   * Which of its own models a site hands in: the last it trained, or its best by its validation split. The task says it, as
   * FLARE's SUBMIT_MODEL_NAME does, so an executor's own `which` has no say here.
   */
  which: v.optional(v.picklist(['last', 'best'], 'last or best'), 'last'),
  submitTimeout: v.optional(Seconds, 600),
  validateTimeout: v.optional(Seconds, 6000),
  /** A site that doesn't take its task in this time, or falls silent with it, leaves an empty cell. */
  assignmentTimeout: v.optional(Seconds, 300),
});
export type CrossSiteEvalArgs = v.InferOutput<typeof CrossSiteEvalArgs>;

/** One site's verdict on one model, or why there is none. */
export type Cell =
  | { readonly metrics: { readonly [name: string]: number }; readonly examples: number }
  | { readonly reason: string };

/** Data site -> model owner -> cell. */
export type CrossSiteTable = { readonly [site: string]: { readonly [owner: string]: Cell } };

type State = { round: number };

/** A task for all, of whom any may fail: what is missing becomes an empty cell. */
const ask = (
  p: CrossSiteEvalArgs,
  task: Pick<TaskRequest, 'name' | 'to' | 'model' | 'data' | 'results' | 'timeout'>,
): TaskRequest => ({
  ...task,
  round: 0,
  totalRounds: 1,
  min: null,
  waitAfterMin: 0,
  assignmentTimeout: p.assignmentTimeout,
  onShortfall: 'skip',
  ignoreErrors: true,
});

const cellOf = (reply: TaskReply): Cell => {
  if (reply.returnCode !== 'OK') return { reason: reply.returnCode };
  const totals = Object.entries(reply.metrics).filter(([, { count }]) => count > 0);
  if (totals.length === 0) return { reason: 'no metrics' };
  return {
    metrics: Object.fromEntries(totals.map(([name, { sum, count }]) => [name, sum / count])),
    examples: Math.max(...totals.map(([, { count }]) => count)),
  };
};

/** Each site's cell of an outcome: what it answered, or why nothing came. */
const cellsOf = ({ replies, missing }: Outcome): ReadonlyMap<string, Cell> =>
  new Map([
    ...missing.map(({ site, reason }) => [site, { reason }] as const),
    ...replies.map((reply) => [reply.site, cellOf(reply)] as const),
  ]);
const NO_ANSWER: Cell = { reason: 'no answer' };

/** Why a site handed in no model: its error code, or why nothing came. */
const whyMissing = ({ replies, missing }: Outcome, site: string): string =>
  replies.find((reply) => reply.site === site && reply.returnCode !== 'OK')?.returnCode ??
  missing.find((gone) => gone.site === site)?.reason ??
  'no answer';

/** The sites' own models, named after them, and the server's. */
function* models(submitted: Outcome): Flow<(readonly [string, ModelRef])[]> {
  const owners: (readonly [string, ModelRef])[] = [];
  for (const name of ['global', 'best']) {
    const model = yield* loadModel(name);
    if (model) owners.push([name, model]);
  }
  for (const { site, model } of submitted.replies) {
    if (!model) continue;
    yield* saveModel(model, site);
    owners.push([site, model]);
  }
  return owners;
}

/**
 * Cross-site evaluation (FLARE's CrossSiteModelEval): every site hands in its own model, then every site evaluates every
 * site's model and the server's `global` and `best`, all side by side. Its result is a {@link CrossSiteTable}.
 */
export const crossSiteEval = workflow<CrossSiteEvalArgs, State>({
  name: 'cross-site-eval',
  version: 1,
  args: CrossSiteEvalArgs,
  // The sites' models are compared with its layout.
  needsModel: true,
  tasks: ['submit_model', 'validate'],
  totalRounds: () => 1,
  aggregators: () => [],
  roundOf: (state) => state.round,
  start: () => ({ round: 0 }),
  *round(p) {
    const to = yield* sampleClients({ clients: p.clients });
    if (to.length > LIMITS.crossSiteSites) {
      yield* panic(
        `cross-site-eval among ${to.length} sites; at most ${LIMITS.crossSiteSites}: choose them with clients`,
      );
    }
    const submitted = yield* broadcast(
      ask(p, {
        name: 'submit_model',
        to,
        model: null,
        data: { name: p.which },
        results: { kind: 'keep', paramsType: 'FULL' },
        timeout: p.submitTimeout,
      }),
    );
    const owners = yield* models(submitted);
    const running: { owner: string; task: string }[] = [];
    for (const [owner, model] of owners) {
      const task = yield* start(
        ask(p, {
          name: 'validate',
          to,
          model,
          data: { owner },
          results: { kind: 'metrics' },
          timeout: p.validateTimeout,
        }),
      );
      running.push({ owner, task });
    }
    const table: Record<string, Record<string, Cell>> = {};
    for (const site of to) table[site] = {};
    for (const { owner, task } of running) {
      const cells = cellsOf(yield* outcome(task));
      for (const site of to) {
        (table[site] as Record<string, Cell>)[owner] = cells.get(site) ?? NO_ANSWER;
      }
    }
    const handedIn = new Set(owners.map(([owner]) => owner));
    for (const owner of to) {
      if (handedIn.has(owner)) continue;
      const reason = `${owner} gave no model: ${whyMissing(submitted, owner)}`;
      for (const site of to) (table[site] as Record<string, Cell>)[owner] = { reason };
    }
    return done(table);
  },
});
