import * as v from 'valibot';
import { expect, test } from 'vitest';
import type { Json } from '../protocol/json.ts';
import { LIMITS } from '../protocol/limits.ts';
import { FedAvgArgs, fedAvg } from './fed-avg.ts';
import type { Outcome } from './ops.ts';
import { play, ref, reply } from './play.suite.ts';
import type { World } from './play.suite.ts';

const sites = ['a', 'b'];

/** Plays all rounds; `outcomes` says what each train task came to, `last` what the closing validate did. */
function run(
  args: v.InferInput<typeof FedAvgArgs>,
  outcomes: readonly Partial<Outcome>[],
  last: Partial<Outcome> = {},
) {
  const params = v.parse(FedAvgArgs, args);
  let state: Json = fedAvg.start(params, { model: ref('m0') });
  let models: Record<string, { digest: string; bytes: number }> = { global: ref('m0') };
  const tasks = [];
  for (const _ of outcomes) {
    const round = fedAvg.roundOf(state);
    const world: World = {
      sites,
      models,
      outcome: ({ name }) => (name === 'train' ? (outcomes[round] ?? {}) : last),
    };
    const played = play(fedAvg.round(params, state), world);
    models = played.models;
    tasks.push(...played.tasks);
    if (played.end.kind !== 'again') return { end: played.end, models, tasks };
    state = played.end.state;
  }
  throw new Error('it did not end');
}

const scored = (n: number, accuracy: number): Partial<Outcome> => ({
  model: ref(`m${n}`),
  metrics: { accuracy: { sum: accuracy * 10, count: 10 } },
  replies: [reply('a'), reply('b')],
});

test('each round trains global and saves what came of it', () => {
  const { end, models, tasks } = run({ rounds: 2, selection: 'none' }, [
    { model: ref('m1') },
    { model: ref('m2') },
  ]);
  expect(tasks.map(({ name, model, to, min }) => ({ name, model, to, min }))).toEqual([
    { name: 'train', model: ref('m0'), to: sites, min: null },
    { name: 'train', model: ref('m1'), to: sites, min: null },
  ]);
  expect(models['global']).toEqual(ref('m2'));
  expect(end).toMatchObject({ kind: 'done', result: { rounds: 2, global: ref('m2'), best: null } });
});

test('best is the model that was sent, not the one just folded', () => {
  const { models, tasks } = run({ rounds: 3 }, [scored(1, 0.1), scored(2, 0.9), scored(3, 0.5)], {
    metrics: { accuracy: { sum: 2, count: 10 } },
  });
  // Round 1 sent m1, and its metrics were the best: FLARE would have named m2.
  expect(models['best']).toEqual(ref('m1'));
  expect(tasks.at(-1)).toMatchObject({
    name: 'validate',
    to: ['a', 'b'],
    model: ref('m3'),
    data: { owner: 'global' },
    results: { kind: 'metrics' },
    ignoreErrors: true,
  });
});

test('the closing validate lets the last model win', () => {
  const { models, end } = run({ rounds: 2 }, [scored(1, 0.1), scored(2, 0.5)], {
    metrics: { accuracy: { sum: 7, count: 10 } },
  });
  expect(models['best']).toEqual(ref('m2'));
  expect(end).toMatchObject({ result: { best: { value: 0.7, round: 2, model: ref('m2') } } });
});

test('no closing validate where no train result carried the key metric', () => {
  const { tasks } = run({ rounds: 1, keyMetric: 'auc' }, [scored(1, 0.1)]);
  expect(tasks.map(({ name }) => name)).toEqual(['train']);
});

test('selection flare labels the new aggregate with the old metrics', () => {
  const { models, tasks } = run({ rounds: 2, selection: 'flare' }, [
    scored(1, 0.9),
    scored(2, 0.1),
  ]);
  expect(models['best']).toEqual(ref('m1'));
  expect(tasks).toHaveLength(2);
});

test('keyMetricMode min takes the smallest; a tie keeps the earlier', () => {
  const { models } = run(
    { rounds: 3, keyMetricMode: 'min' },
    [scored(1, 0.4), scored(2, 0.2), scored(3, 0.2)],
    { metrics: { accuracy: { sum: 2, count: 10 } } },
  );
  expect(models['best']).toEqual(ref('m1'));
});

test('with minResponses the task is for whoever polls', () => {
  const { tasks } = run({ rounds: 1, minResponses: 2, clients: ['site-*'], selection: 'none' }, [
    {},
  ]);
  expect(tasks[0]).toMatchObject({ to: '*', clients: ['site-*'], min: 2 });
});

test('a round that came to nothing keeps the model', () => {
  const { models } = run({ rounds: 2, selection: 'none' }, [
    { model: ref('m1') },
    { status: 'short' },
  ]);
  expect(models['global']).toEqual(ref('m1'));
});

test('args say what would have been right', () => {
  const issues = (args: unknown) => v.safeParse(FedAvgArgs, args).issues?.map((i) => i.message);
  expect(issues({ rounds: 0 })).toEqual(['at least 1 round']);
  expect(issues({ rounds: -3 })).toEqual(['at least 1 round']);
  expect(issues({ rounds: 1.5 })).toEqual(['a whole number of rounds']);
  expect(issues({ rounds: 1, minResponses: 0 })).toEqual(['at least 1 site']);
  expect(issues({ rounds: 1, weightBy: 'size' })).toEqual(['steps, examples or uniform']);
  expect(issues({ rounds: 1, onShortfall: 'wait' })).toEqual(['suspend, skip or fail']);
  expect(issues({ rounds: 1, timeout: -1 })).toEqual(['at least 0 seconds']);
  expect(issues({ rounds: 1, round: 2 })).toHaveLength(1);
});

test('weights in its args stay so small that no sum of them is infinite', () => {
  const parse = (args: object) => v.safeParse(FedAvgArgs, { rounds: 1, ...args }).success;
  const { weightFactor, stepsPerRound, sitesPerJob } = LIMITS;
  for (const weight of [weightFactor, weightFactor + 1]) {
    const fits = weight === weightFactor;
    expect(parse({ aggregationWeights: { a: weight } })).toBe(fits);
    expect(parse({ maxWeight: weight })).toBe(fits);
  }
  // The largest float32, with the largest weight, from every site: still far from the end of float64.
  const sum = weightFactor * stepsPerRound * sitesPerJob * 3.5e38;
  expect(sum).toBeLessThan(Number.MAX_VALUE);
});
