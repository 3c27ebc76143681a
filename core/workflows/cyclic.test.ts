import * as v from 'valibot';
import { expect, test } from 'vitest';
import { CyclicArgs, cyclic } from './cyclic.ts';
import type { Outcome } from './ops.ts';
import { play, ref, reply } from './play.suite.ts';

const run = (
  args: v.InferInput<typeof CyclicArgs>,
  outcome: (site: string) => Partial<Outcome>,
  sites = ['a', 'b', 'c'],
) => {
  const params = v.parse(CyclicArgs, args);
  const state = cyclic.start(params, { model: ref('m0') });
  return play(cyclic.round(params, state), { sites, outcome: ({ to }) => outcome(String(to)) });
};

test('the model goes from site to site, in the order of their names', () => {
  const { tasks, models, end } = run({ rounds: 1 }, (site) => ({ model: ref(`after-${site}`) }));
  expect(tasks.map(({ to, model }) => [to, model?.digest])).toEqual([
    [['a'], 'sha256-m0'],
    [['b'], 'sha256-after-a'],
    [['c'], 'sha256-after-b'],
  ]);
  expect(models['global']).toEqual(ref('after-c'));
  expect(end).toMatchObject({ kind: 'done', result: { rounds: 1, global: ref('after-c') } });
});

test('an order is kept, joined or not', () => {
  const { tasks } = run({ rounds: 2, order: ['c', 'a'] }, () => ({ model: ref('x') }));
  expect(tasks.map(({ to }) => to)).toEqual([['c'], ['a']]);
});

test('a lost or failing site is skipped, with the reason told', () => {
  const { tasks, ops } = run({ rounds: 2 }, (site) =>
    site === 'a'
      ? { status: 'short', missing: [{ site, reason: 'it fell silent' }] }
      : site === 'b'
        ? { status: 'short', replies: [reply(site, { returnCode: 'EMPTY_RESULT' })] }
        : { model: ref('m1') },
  );
  expect(tasks.map(({ model }) => model?.digest)).toEqual(Array(3).fill('sha256-m0'));
  expect(ops.filter(({ op }) => op === 'event')).toMatchObject([
    { data: { site: 'a', reason: 'it fell silent' } },
    { data: { site: 'b', reason: 'EMPTY_RESULT' } },
    { type: 'round', data: { skipped: ['a: it fell silent', 'b: EMPTY_RESULT'] } },
  ]);
});

test('a round in which every site is lost ends the job, and says why', () => {
  const { end } = run({ rounds: 2 }, (site) => ({ missing: [{ site, reason: 'it fell silent' }] }));
  expect(end).toEqual({
    kind: 'panic',
    reason:
      'round 0: no site trained the model (a: it fell silent, b: it fell silent, c: it fell silent)',
  });
  expect(run({ rounds: 1 }, () => ({}), []).end).toMatchObject({ kind: 'panic' });
});

test('an order names each site once', () => {
  const { issues } = v.safeParse(CyclicArgs, { rounds: 1, order: ['a', 'a'] });
  expect(issues?.map((i) => i.message)).toEqual(['each site once']);
});
