import { expect, onTestFinished, test, vi } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import { MemoryStore } from '../store.ts';
import { AgentClosed, CallStateError, FlareAgent } from './flare-agent.ts';
import type { FlareAgentOptions } from './flare-agent.ts';
import type { AgentPipe } from './pipe.ts';
import { PortAgentPipe, PortSitePipe } from './pipes/port.ts';
import { taskExchanger } from './task-exchanger.ts';

const EXCHANGE = { tasks: ['*'], use: 'task-exchanger' };

/** A site's pipe, and agents at its other end, stopped with the test. */
const rig = () => {
  const pipe = new PortSitePipe();
  const agents: FlareAgent[] = [];
  onTestFinished(async () => {
    for (const agent of agents) await agent.stop();
  });
  const end = (): AgentPipe => {
    const { port1, port2 } = new MessageChannel();
    onTestFinished(() => port1.close());
    pipe.attach(port1);
    return new PortAgentPipe(port2);
  };
  return {
    pipe,
    executors: { 'task-exchanger': taskExchanger({ agent: pipe }) },
    end,
    agent: (options: Partial<FlareAgentOptions> = {}): FlareAgent => {
      const agent = new FlareAgent({ pipe: end(), resendInterval: 0.05, ...options });
      agents.push(agent);
      agent.start();
      return agent;
    },
  };
};

/** Adds one to each element, as FLARE's hello-numpy. */
const addOne = async (agent: FlareAgent): Promise<string[]> => {
  const done: string[] = [];
  for await (const task of agent.tasks()) {
    const w = task.model.params?.get('w')?.data as Float32Array;
    const model = {
      params: numbers(...w.map((value) => value + 1)),
      meta: { NUM_STEPS_CURRENT_ROUND: 3 },
      metrics: { mean: { sum: 6, count: 3 } },
    };
    if (await agent.submitResult(model)) done.push(`${task.taskId}:${task.attempt}`);
  }
  return done;
};

test('an agent does the tasks of a job, and leaves when it ends', async () => {
  const server = new FakeServer();
  const config = { lr: 0.5 };
  server.addJob('j', { executors: [{ ...EXCHANGE, args: { config } }] }, [
    { id: 't0', name: 'train', model: encode(numbers(1, 2, 3)) },
    { id: 't1', name: 'train', round: 1, model: encode(numbers(2, 3, 4)) },
  ]).ended = true;
  const { agent, executors } = rig();
  const working = addOne(agent());
  await serve(server, ended, { executors });
  expect(await working).toEqual(['t0:1', 't1:1']);
  const { tensors, header } = server.tensorsOf('t1');
  expect([...(tensors.get('w')?.data ?? [])]).toEqual([3, 4, 5]);
  expect(header).toMatchObject({
    params_type: 'FULL',
    return_code: 'OK',
    meta: { NUM_STEPS_CURRENT_ROUND: 3 },
    metrics: { mean: { sum: 6, count: 3 } },
  });
});

test('the agent knows its task: names, rounds, config and data; the kit converts to DIFF', async () => {
  const server = new FakeServer();
  const args = { transferType: 'DIFF', config: { lr: 0.5 } };
  server.addJob('j', { executors: [{ ...EXCHANGE, args }] }, [
    { id: 't', name: 'train', round: 2, model: encode(numbers(1, 2)) },
    { id: 's', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' },
  ]).ended = true;
  const { agent, executors } = rig();
  const one = agent();
  const work = async () => {
    const task = await one.getTask();
    expect(task?.head).toMatchObject({
      name: 'train',
      job: 'j',
      site: 'hospital-a',
      round: 2,
      totalRounds: 3,
      paramsType: 'ANY',
      config: { lr: 0.5 },
      attempt: 1,
    });
    await expect(one.getTask()).rejects.toThrow(CallStateError);
    await expect(one.submitResult({})).rejects.toThrow(/tensors, metrics/);
    const short = { dtype: 'F32', shape: [3], data: new Float32Array(2) } as const;
    await expect(one.submitResult({ params: new Map([['w', short]]) })).rejects.toThrow(RangeError);
    await one.submitResult({ params: numbers(4, 6) });
    await expect(one.submitResult({ params: numbers(4, 6) })).rejects.toThrow(CallStateError);
    const submit = await one.getTask();
    expect(submit?.taskName).toBe('submit_model');
    expect(submit?.model).toMatchObject({ meta: { name: 'last' } });
    expect(submit?.model.params).toBeUndefined();
    await one.submitResult({}, 'EMPTY_RESULT');
    await expect(one.getTask()).rejects.toThrow(AgentClosed);
  };
  await Promise.all([work(), serve(server, ended, { executors })]);
  const { tensors, header } = server.tensorsOf('t');
  expect(header['params_type']).toBe('DIFF');
  expect([...(tensors.get('w')?.data ?? [])]).toEqual([3, 4]);
  expect(server.tensorsOf('s').header['return_code']).toBe('EMPTY_RESULT');
});

test('an abort by the server reaches the agent, whose result is not taken', async () => {
  const server = new FakeServer();
  const job = server.addJob('j', { executors: [EXCHANGE] }, [
    { id: 't', name: 'train', model: encode(numbers(1)), leaseS: 0.1 },
  ]);
  const { agent, executors } = rig();
  const one = agent();
  const work = async (): Promise<boolean> => {
    const task = await one.getTask();
    job.closed.add('t');
    await new Promise((resolve) => task?.signal.addEventListener('abort', resolve));
    expect((task?.signal.reason as Error | undefined)?.message).toMatch(/aborted/);
    const taken = await one.submitResult({ params: numbers(1) });
    job.ended = true;
    await expect(one.getTask()).rejects.toThrow(AgentClosed);
    return taken;
  };
  const [taken] = await Promise.all([work(), serve(server, ended, { executors })]);
  expect(taken).toBe(false);
  expect(server.results.size).toBe(0);
});

test('a result that was stored before the site died is sent by its next life, without the agent', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [EXCHANGE] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const store = new MemoryStore();
  // Dies on the way from the agent's acknowledgement to the outbox.
  const write = store.write.bind(store);
  const stop = new AbortController();
  store.write = (key, parts) => {
    if (!key.startsWith('outbox/')) return write(key, parts);
    stop.abort();
    return new Promise(() => undefined);
  };
  const first = rig();
  const submitted = (async () => {
    const agent = first.agent();
    await agent.getTask();
    return agent.submitResult({ params: numbers(42) });
  })();
  await serve(server, () => false, { executors: first.executors, store, signal: stop.signal });
  expect(await submitted).toBe(true);
  store.write = write;
  const second = rig();
  await serve(server, ended, { executors: second.executors, store });
  expect([...(server.tensorsOf('t').tensors.get('w')?.data ?? [])]).toEqual([42]);
  expect(await store.list('jobs/')).toEqual([]);
});

test("a job's word for a pipe that the site doesn't have is answered, not guessed", async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ ...EXCHANGE, args: { pipe: 'gpu-box' } }] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  await serve(server, ended, { executors: rig().executors });
  expect(server.tensorsOf('t').header['return_code']).toBe('TASK_UNSUPPORTED');
});

test('an agent that is silent is gone: the task fails, and the next waits for another', async () => {
  const server = new FakeServer();
  const args = { heartbeatTimeout: 0.3 };
  server.addJob('j', { executors: [{ ...EXCHANGE, args }] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
    { id: 'u', name: 'train', model: encode(numbers(5)) },
  ]).ended = true;
  const { agent, end, executors } = rig();
  const mute = end();
  const take = { protocol: 1, session: 'mute', started: 1, op: 'task', wait: 20 };
  const asking = { signal: new AbortController().signal, patienceMS: 25_000 };
  const next = async () => {
    await vi.waitUntil(() => mute.ask({ head: take }, asking).catch(() => undefined));
    await new Promise((resolve) => setTimeout(resolve, 600));
    return addOne(agent());
  };
  const [done] = await Promise.all([next(), serve(server, ended, { executors })]);
  expect(server.tensorsOf('t').header['return_code']).toBe('EXECUTION_EXCEPTION');
  expect(done).toEqual(['u:1']);
});

test('another agent takes over; the older one hears that it is over', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [EXCHANGE] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const { agent, executors } = rig();
  const one = agent({ now: () => 1000 });
  const work = async () => {
    const task = await one.getTask();
    const other = agent({ now: () => 2000 });
    const again = await other.getTask();
    expect(again?.attempt).toBe(2);
    await expect(one.submitResult({ params: numbers(0) })).rejects.toThrow(AgentClosed);
    expect(task?.signal.aborted).toBe(true);
    await expect(one.getTask()).rejects.toThrow(/another agent/);
    expect(await other.submitResult({ params: numbers(2) })).toBe(true);
    await expect(other.getTask()).rejects.toThrow(AgentClosed);
  };
  await Promise.all([work(), serve(server, ended, { executors })]);
  expect([...(server.tensorsOf('t').tensors.get('w')?.data ?? [])]).toEqual([2]);
});

test('what an agent logs is in the metric log of the job', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [EXCHANGE] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const { agent, executors } = rig();
  const one = agent();
  const work = async () => {
    await one.getTask();
    expect(await one.log('loss', 0.25, { step: 7 })).toBe(true);
    expect(await one.log('lr', Number.NaN)).toBe(true);
    await one.submitResult({ params: numbers(1) });
    await one.stop();
  };
  await Promise.all([work(), serve(server, ended, { executors })]);
  expect(server.metrics).toMatchObject([
    { key: 'loss', value: 0.25, step: 7 },
    { key: 'lr', value: 'NaN' },
  ]);
});

test('without a site an agent waits, or leaves where it is told to', async () => {
  const { agent } = rig();
  const lasting = agent({ heartbeatTimeout: 0.05 });
  expect(await lasting.getTask(0.01)).toBeUndefined();
  const leaving = agent({ leaveWhenGone: true, heartbeatTimeout: 0.05, now: Date.now });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(leaving.peerGone).toBe(true);
  await expect(leaving.getTask()).rejects.toThrow(/site is gone/);
}, 100_000);
