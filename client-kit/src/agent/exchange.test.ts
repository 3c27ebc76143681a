import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TaskClosed } from '../lease.ts';
import { TaskError } from '../task-error.ts';
import { Exchange } from './exchange.ts';
import type { Head } from './message.ts';
import type { Offer, Reply } from './offer.ts';
import { PROTOCOL } from './protocol.ts';

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => vi.useRealTimers());

const PATIENCE = { heartbeatTimeout: 60_000, peerReadTimeout: 300_000, taskWaitTime: Infinity };

const offer = (task: string, more: Partial<Offer> = {}): Offer => ({
  head: {
    task,
    name: 'train',
    job: 'job',
    site: 'site-1',
    workflow: 'main',
    round: 0,
    totalRounds: 3,
    paramsType: 'ANY',
    data: {},
    config: {},
  },
  params: undefined,
  patience: PATIENCE,
  log: () => undefined,
  keep: () => Promise.resolve(),
  ...more,
});

const METRICS = { metrics: { loss: 1 }, return_code: 'OK' };

/** An agent's process: what it asks, with its session. */
const agentOf = (exchange: Exchange, session: string, started = Date.now()) => {
  const ask = async (head: Head): Promise<Head> =>
    (await exchange.answer({ head: { protocol: PROTOCOL, session, started, ...head } })).head;
  return {
    ask,
    task: (wait = 0) => ask({ op: 'task', wait }),
    beat: (task: string, attempt = 1, wait = 0) => ask({ op: 'beat', task, attempt, wait }),
    result: (task: string, attempt = 1, fl_model: object = METRICS) =>
      ask({ op: 'result', task, attempt, result: 'r', fl_model }),
  };
};

/** An offer on its way, and how to end it. */
const begun = (exchange: Exchange, one: Offer) => {
  const over = new AbortController();
  const reply = exchange.offer(one, over.signal);
  const failed = reply.then(
    () => undefined,
    (error: unknown) => error,
  );
  return { over, reply, failed };
};

test('a task is settled once: by its first result that is stored, or by its failure, whichever is first', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const { reply } = begun(exchange, offer('t'));
  expect(await agent.task()).toMatchObject({ status: 'task', task: 't', attempt: 1 });
  expect(await agent.result('t')).toEqual({ status: 'accepted' });
  expect(await agent.result('t', 1, { metrics: { loss: 2 } })).toEqual({ status: 'duplicate' });
  expect(await reply).toMatchObject({ model: { metrics: { loss: 1 } } });
  expect(await agent.beat('t')).toEqual({ status: 'done' });

  const failing = begun(exchange, offer('u'));
  await agent.task();
  await vi.advanceTimersByTimeAsync(61_000);
  expect(await failing.failed).toMatchObject({ returnCode: 'EXECUTION_EXCEPTION' });
  expect(await agent.result('u')).toEqual({
    status: 'closed',
    reason: 'the agent is gone: it was silent for 60 s',
  });
});

test('two results of one task at once: one is accepted', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const kept: Reply[] = [];
  const keep = async (reply: Reply): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    kept.push(reply);
  };
  begun(exchange, offer('t', { keep }));
  await agent.task();
  const both = Promise.all([agent.result('t'), agent.result('t')]);
  await vi.advanceTimersByTimeAsync(200);
  expect((await both).map(({ status }) => status)).toEqual(['accepted', 'duplicate']);
  expect(kept).toHaveLength(1);
});

test('an agent hears `accepted` only after the result is stored', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  let broken = true;
  const keep = (): Promise<void> =>
    broken ? Promise.reject(new Error('disk')) : Promise.resolve();
  const { reply } = begun(exchange, offer('t', { keep }));
  await agent.task();
  expect(await agent.result('t')).toMatchObject({ status: 'error' });
  expect(await agent.beat('t')).toEqual({ status: 'open' });
  broken = false;
  expect(await agent.result('t')).toEqual({ status: 'accepted' });
  await reply;
});

test('only the latest session is heard, and a task that an older one held goes to it as the next attempt', async () => {
  const exchange = new Exchange();
  const old = agentOf(exchange, 'a', 1);
  const late = agentOf(exchange, 'b', 2);
  const { reply } = begun(exchange, offer('t'));
  await old.task();
  const waiting = old.beat('t', 1, 20);
  expect(await late.task()).toMatchObject({ status: 'task', task: 't', attempt: 2 });
  expect(await waiting).toEqual({ status: 'superseded' });
  expect(await old.result('t')).toEqual({ status: 'superseded' });
  expect(await late.result('t', 2)).toEqual({ status: 'accepted' });
  await reply;
});

test('an agent that was killed while it waited does not take the task along', async () => {
  const exchange = new Exchange();
  const old = agentOf(exchange, 'a', 1);
  const ghost = old.task(20);
  begun(exchange, offer('t'));
  expect(await ghost).toMatchObject({ status: 'task' });
  expect(await agentOf(exchange, 'b', 2).task()).toMatchObject({ task: 't', attempt: 2 });
});

test('an answer that was lost is given again: the same task, the same attempt', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  begun(exchange, offer('t'));
  const first = await agent.task();
  expect(await agent.task()).toEqual(first);
  expect(first).toMatchObject({ attempt: 1 });
});

test('a later question of one agent ends its earlier one', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const earlier = agent.task(20);
  const later = agent.task(20);
  expect(await earlier).toEqual({ status: 'none' });
  begun(exchange, offer('t'));
  expect(await later).toMatchObject({ status: 'task', task: 't' });
});

test('a task that the agent holds and a restarted site offers again is not handed out again', async () => {
  const before = new Exchange();
  const agent = { before: agentOf(before, 'a', 1) };
  const life = begun(before, offer('t'));
  await agent.before.task();
  life.over.abort(new Error('the site has stopped'));
  await life.failed;
  // Not closed: the site's end is not the task's.
  expect(await agent.before.beat('t')).toEqual({ status: 'unknown' });

  const after = new Exchange();
  const same = agentOf(after, 'a', 1);
  expect(await same.result('t')).toEqual({ status: 'unknown' });
  const again = begun(after, offer('t'));
  begun(after, offer('u'));
  expect(await same.beat('t')).toEqual({ status: 'open' });
  expect(await same.result('t')).toEqual({ status: 'accepted' });
  await again.reply;
  expect(await same.task()).toMatchObject({ task: 'u', attempt: 1 });
});

test('a site that has stored a result before its end does not take it again', async () => {
  const exchange = new Exchange();
  exchange.answered('t');
  expect(await agentOf(exchange, 'a').result('t')).toEqual({ status: 'duplicate' });
});

test('an abort reaches the agent at once', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const { over, failed } = begun(exchange, offer('t'));
  await agent.task();
  const beat = agent.beat('t', 1, 20);
  over.abort(new TaskClosed('the job was aborted'));
  expect(await beat).toEqual({ status: 'closed', reason: 'the job was aborted' });
  expect(await failed).toBeInstanceOf(TaskClosed);
  expect(await agent.result('t')).toMatchObject({ status: 'closed' });
});

test('a task waits for an agent that starts later, as long as it may', async () => {
  const exchange = new Exchange();
  const { reply } = begun(exchange, offer('t'));
  await vi.advanceTimersByTimeAsync(299_000);
  const agent = agentOf(exchange, 'a');
  await agent.task();
  await agent.result('t');
  await reply;
  const alone = begun(exchange, offer('u'));
  await vi.advanceTimersByTimeAsync(301_000);
  expect(await alone.failed).toMatchObject({ message: 'no agent came for 300 s' });
});

test('heartbeats keep a long task; a task behind it waits for a busy agent without end', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const long = begun(exchange, offer('t'));
  const behind = begun(exchange, offer('u'));
  await agent.task();
  for (let minute = 0; minute < 10; minute++) {
    await vi.advanceTimersByTimeAsync(50_000);
    expect(await agent.beat('t')).toEqual({ status: 'open' });
  }
  await agent.result('t');
  await long.reply;
  expect(await agent.task()).toMatchObject({ task: 'u' });
  await agent.result('u');
  await behind.reply;
});

test('a time for the whole task ends it, heartbeats or not', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const { failed } = begun(exchange, offer('t', { patience: { ...PATIENCE, taskWaitTime: 5000 } }));
  await agent.task();
  const beat = agent.beat('t', 1, 20);
  await vi.advanceTimersByTimeAsync(5100);
  expect(await beat).toEqual({ status: 'closed', reason: 'the agent took more than 5 s' });
  expect(await failed).toBeInstanceOf(TaskError);
});

test('an agent that leaves gives its task back', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a', 2);
  begun(exchange, offer('t'));
  await agent.task();
  expect(await agent.ask({ op: 'bye' })).toEqual({ status: 'accepted' });
  // Even to one whose clock says that it is older.
  expect(await agentOf(exchange, 'b', 1).task()).toMatchObject({ task: 't', attempt: 2 });
});

test('a clock that was set back does not lock a new agent out for ever', async () => {
  const exchange = new Exchange();
  await agentOf(exchange, 'a', 2).task();
  const early = agentOf(exchange, 'b', 1);
  expect(await early.task()).toEqual({ status: 'superseded' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await early.task()).toEqual({ status: 'none' });
});

test("an agent's failure is the task's, with its code and its words", async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const { reply } = begun(exchange, offer('t'));
  await agent.task();
  const said = { return_code: 'BAD_TASK_DATA', meta: { detail: 'no column y' } };
  expect(await agent.result('t', 1, said)).toEqual({ status: 'accepted' });
  expect((await reply).model).toMatchObject({
    returnCode: 'BAD_TASK_DATA',
    message: 'no column y',
  });
});

test.each<[string, Head, RegExp]>([
  ['another protocol', { op: 'task', protocol: 2 }, /protocol/],
  ['no such op', { op: 'dance' }, /op/],
  ['an id that is a path', { op: 'beat', task: '../t', attempt: 1 }, /task: an id/],
  ['a wait that is too long', { op: 'task', wait: 3600 }, /wait/],
  [
    'a result that says nothing',
    { op: 'result', task: 't', attempt: 1, result: 'r', fl_model: {} },
    /tensors, metrics/,
  ],
  [
    'metrics that are text',
    { op: 'result', task: 't', attempt: 1, result: 'r', fl_model: { metrics: { a: 'b' } } },
    /fl_model/,
  ],
])('%s is rejected, and the task is open still', async (_, head, reason) => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  begun(exchange, offer('t'));
  await agent.task();
  const answer = await agent.ask(head);
  expect(answer).toEqual({ status: 'rejected', reason: expect.stringMatching(reason) });
  expect(await agent.beat('t')).toEqual({ status: 'open' });
});

test('logged values reach the job once, also after its result', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  const logged: unknown[] = [];
  begun(exchange, offer('t', { log: (...entry) => logged.push(entry) }));
  await agent.task();
  const entries = [
    { seq: 0, key: 'loss', value: 2, step: 1 },
    { seq: 1, key: 'lr', value: { a: 1 }, type: 'SCALARS' },
  ];
  await agent.ask({ op: 'log', task: 't', entries });
  await agent.ask({ op: 'log', task: 't', entries });
  await agent.result('t');
  await agent.ask({ op: 'log', task: 't', entries: [{ seq: 2, key: 'end', value: 'x' }] });
  expect(logged).toEqual([
    ['loss', 2, { step: 1 }],
    ['lr', { a: 1 }, { type: 'SCALARS' }],
    ['end', 'x', {}],
  ]);
  expect(await agent.ask({ op: 'log', task: 'v', entries })).toEqual({ status: 'unknown' });
});

test('the end of a job is told to the agent that worked on it, once', async () => {
  const exchange = new Exchange();
  const agent = agentOf(exchange, 'a');
  await exchange.end('job', 'over', 1000);
  begun(exchange, offer('t'));
  await agent.task();
  await agent.result('t');
  const waiting = agent.task(20);
  await exchange.end('job', 'over', 1000);
  expect(await waiting).toEqual({ status: 'end', job: 'job', reason: 'over' });
  expect(await agent.task()).toEqual({ status: 'none' });
});
