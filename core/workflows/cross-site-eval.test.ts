import * as v from 'valibot';
import { expect, test } from 'vitest';
import { LIMITS } from '../protocol/limits.ts';
import { CrossSiteEvalArgs, crossSiteEval } from './cross-site-eval.ts';
import type { Op, TaskRequest } from './ops.ts';
import { play, ref, reply } from './play.suite.ts';

const params = v.parse(CrossSiteEvalArgs, {});
const correct = (sum: number, count: number) => ({ accuracy: { sum, count } });

/** Sites a and b hand in a model, c has none; in the validation of a's model, b fails and c says nothing. */
const outcome = ({ name, data }: TaskRequest) => {
  if (name === 'submit_model') {
    return {
      replies: [
        reply('a', { model: ref('a') }),
        reply('b', { model: ref('b') }),
        reply('c', { returnCode: 'EMPTY_RESULT' as const }),
      ],
    };
  }
  if (data['owner'] !== 'a') {
    return { replies: ['a', 'b', 'c'].map((site) => reply(site, { metrics: correct(3, 4) })) };
  }
  return {
    status: 'short' as const,
    replies: [reply('a', { metrics: correct(1, 4) }), reply('b', { returnCode: 'BAD_TASK_DATA' })],
    missing: [{ site: 'c', reason: 'it fell silent' }],
  };
};

const played = () =>
  play(crossSiteEval.round(params, { round: 0 }), {
    sites: ['a', 'b', 'c'],
    outcome,
    models: { global: ref('g'), best: ref('x') },
  });

test('every site evaluates every model; an empty cell says why', () => {
  const { end } = played();
  const good = { metrics: { accuracy: 0.75 }, examples: 4 };
  const none = { reason: 'c gave no model: EMPTY_RESULT' };
  expect(end).toEqual({
    kind: 'done',
    result: {
      a: {
        global: good,
        best: good,
        a: { metrics: { accuracy: 0.25 }, examples: 4 },
        b: good,
        c: none,
      },
      b: { global: good, best: good, a: { reason: 'BAD_TASK_DATA' }, b: good, c: none },
      c: { global: good, best: good, a: { reason: 'it fell silent' }, b: good, c: none },
    },
  });
});

test('all validate tasks are open side by side', () => {
  const { ops, tasks } = played();
  const steps = ops.map((op: Op) => (op.op === 'start' ? op.task.name : op.op));
  expect(steps.join(' ')).toBe(
    'sample submit_model await load load save save validate validate validate validate await await await await',
  );
  expect(tasks.map(({ data }) => data)).toEqual([
    { name: 'last' },
    ...['global', 'best', 'a', 'b'].map((owner) => ({ owner })),
  ]);
});

test("sites' models are saved under their names", () => {
  expect(played().models).toMatchObject({ a: ref('a'), b: ref('b'), global: ref('g') });
});

test('args say what would have been right', () => {
  const issues = (args: unknown) =>
    v.safeParse(CrossSiteEvalArgs, args).issues?.map((i) => i.message);
  expect(issues({ which: 'worst' })).toEqual(['last or best']);
  expect(issues({ clients: [] })).toEqual(['at least one glob']);
  expect(issues({ validateTimeout: Number.NaN })).toHaveLength(1);
});

test('as many sites as its table can take, and one more', () => {
  const among = (count: number) =>
    play(crossSiteEval.round(params, { round: 0 }), {
      sites: Array.from({ length: count }, (_, n) => `site-${n}`),
      outcome: () => ({}),
    });
  expect(among(LIMITS.crossSiteSites).end.kind).toBe('done');
  const { end, tasks } = among(LIMITS.crossSiteSites + 1);
  expect(end).toMatchObject({ kind: 'panic', reason: expect.stringContaining('at most 256') });
  expect(tasks).toEqual([]);
});

test('it needs a model: what sites hand in is compared with its layout', () => {
  expect(crossSiteEval.needsModel).toBe(true);
});
