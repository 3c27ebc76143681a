import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AgentClosed, FlareAgent } from './flare-agent.ts';
import type { FlareAgentOptions } from './flare-agent.ts';
import type { Head, Message } from './message.ts';

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => vi.useRealTimers());

const TASK = {
  status: 'task',
  task: 't',
  attempt: 1,
  name: 'train',
  job: 'j',
  site: 's',
  workflow: 'w',
  round: 0,
  totalRounds: 1,
  paramsType: 'ANY',
  data: {},
  config: {},
};

/** A site that answers from a list, and `open` to heartbeats; undefined is no answer. Says what it was asked, and when. */
const scripted = (answers: (Head | undefined)[], options: Partial<FlareAgentOptions> = {}) => {
  const asked: (Head & { at: number })[] = [];
  const beats: number[] = [];
  let heartbeat: Head = { status: 'open' };
  const ask = async ({ head }: Message, { signal }: { signal: AbortSignal }): Promise<Message> => {
    if (head['op'] === 'beat' && head['wait'] !== 0) {
      beats.push(Date.now() - 1_000_000);
      if (heartbeat['status'] === 'open')
        await new Promise((resolve) => {
          setTimeout(resolve, Number(head['wait']) * 1000);
          signal.addEventListener('abort', resolve);
        });
      return { head: heartbeat };
    }
    asked.push({ ...head, at: Date.now() - 1_000_000 });
    const answer = answers.shift();
    if (!answer) throw new Error('nobody is there');
    return { head: answer };
  };
  const agent = new FlareAgent({ pipe: { ask }, ...options });
  agent.start();
  return { agent, asked, beats, say: (head: Head) => (heartbeat = head) };
};

test('a result is resent under one id until it is acknowledged', async () => {
  const troubles: string[] = [];
  const { agent, asked } = scripted(
    [undefined, { status: 'error' }, TASK, undefined, { status: 'error' }, { status: 'accepted' }],
    { onTrouble: ({ message }) => troubles.push(message) },
  );
  const task = agent.getTask();
  await vi.advanceTimersByTimeAsync(2000);
  expect((await task)?.taskId).toBe('t');
  const taken = agent.submitResult({ metrics: { loss: 1 } });
  await vi.advanceTimersByTimeAsync(2000);
  expect(await taken).toBe(true);
  expect(asked.map(({ op, at }) => [op, at])).toEqual([
    ['task', 0],
    ['task', 1000],
    ['task', 2000],
    ['result', 2000],
    ['result', 3000],
    ['result', 4000],
  ]);
  expect(new Set(asked.slice(3).map(({ result }) => result)).size).toBe(1);
  expect(new Set(asked.map(({ session }) => session)).size).toBe(1);
  expect(troubles).toEqual(['nobody is there', 'nobody is there']);
});

test('a site that was restarted is asked before it is sent a model again', async () => {
  const unknown = { status: 'unknown' };
  const { agent, asked } = scripted([
    TASK,
    unknown,
    unknown,
    undefined,
    { status: 'open' },
    { status: 'duplicate' },
  ]);
  await agent.getTask();
  const taken = agent.submitResult({ metrics: { loss: 1 } });
  await vi.advanceTimersByTimeAsync(5000);
  expect(await taken).toBe(true);
  expect(asked.map(({ op }) => op)).toEqual(['task', 'result', 'beat', 'beat', 'result', 'result']);
});

test('a result that no site knows of is given up in time', async () => {
  const { agent } = scripted(
    [TASK, ...Array.from({ length: 100 }, () => ({ status: 'unknown' }))],
    {
      submitResultTimeout: 30,
    },
  );
  await agent.getTask();
  const taken = agent.submitResult({ metrics: { loss: 1 } });
  await vi.advanceTimersByTimeAsync(31_000);
  expect(await taken).toBe(false);
});

test('heartbeats go on while a task is worked on, and end with its result', async () => {
  const { agent, beats } = scripted([TASK, { status: 'accepted' }]);
  await agent.getTask();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(beats).toEqual([0, 5000, 10_000]);
  await agent.submitResult({ metrics: { loss: 1 } });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(beats).toHaveLength(3);
});

test('a closed task is aborted; its heartbeats go on, so that the agent is not held to be gone', async () => {
  const { agent, beats, say } = scripted([TASK, { status: 'closed' }]);
  const task = await agent.getTask();
  say({ status: 'closed', reason: 'the job was aborted' });
  await vi.advanceTimersByTimeAsync(5000);
  expect(task?.signal.reason).toEqual(new Error('the job was aborted'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(beats).toEqual([0, 10_000, 15_000]);
  expect(await agent.submitResult({ metrics: { loss: 1 } })).toBe(false);
});

test('silence is a peer that is gone, and any word one that is back', async () => {
  const { agent } = scripted([...Array<undefined>(70).fill(undefined), { status: 'none' }]);
  const task = agent.getTask(72);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(agent.peerGone).toBe(true);
  await vi.advanceTimersByTimeAsync(9500);
  expect(agent.peerGone).toBe(false);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await task).toBeUndefined();
});

test.each<[string, Head]>([
  ['its job ends', { status: 'end', reason: 'over' }],
  ['another takes its place', { status: 'superseded' }],
  ['the site refuses it', { status: 'rejected', reason: 'another token' }],
])('an agent is over when %s', async (_, answer) => {
  const { agent } = scripted([answer]);
  await expect(agent.getTask()).rejects.toThrow(AgentClosed);
  await expect(agent.getTask()).rejects.toThrow(AgentClosed);
});
