import { expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import { FLComponent } from '../executor/component.ts';
import { components } from '../executor/engine.ts';
import type { FLModel } from '../fl-model.ts';
import type { SiteOptions } from '../site.ts';
import { ModelLearner } from './model-learner.ts';
import { modelLearner } from './model-learner-executor.ts';

const run = async (
  learner: ModelLearner,
  tasks: FakeTask[],
  options: Partial<SiteOptions> = {},
  args: Record<string, unknown> = {},
) => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app', args }] }, tasks).ended = true;
  const events = await serve(server, ended, { app: modelLearner(() => learner), ...options });
  return { server, events };
};
const task = (id: string, name = 'train', more: Partial<FakeTask> = {}): FakeTask => ({
  id,
  name,
  model: encode(numbers(1, 2)),
  ...more,
});
const headerOf = (server: FakeServer, id: string) => server.tensorsOf(id).header;

test('what a learner knows of its task', async () => {
  const seen: unknown[] = [];
  class Learner extends ModelLearner {
    override train(model: FLModel): FLModel {
      const { siteName, jobId, currentRound, totalRounds, args } = this;
      seen.push({ siteName, jobId, currentRound, totalRounds, args });
      seen.push(this.getShareableHeader('__task_id__'), this.getShareableHeader('none', 'no'));
      seen.push(this.getContextProp('__task_name__'), this.getContextProp('none', 'no'));
      seen.push(this.getComponent('ruler'), this.getComponent('none'), this.isAborted());
      seen.push(model.paramsType, model.currentRound, model.meta);
      return { params: model.params ?? new Map() };
    }
  }
  await run(
    new Learner(),
    [task('t', 'train', { round: 2, data: { fedprox_mu: 0.1 } })],
    { components: components(() => ({ ruler: 'a ruler' })) },
    { lr: 0.5 },
  );
  expect(seen).toEqual([
    { siteName: 'hospital-a', jobId: 'j', currentRound: 2, totalRounds: 3, args: { lr: 0.5 } },
    't',
    'no',
    'train',
    'no',
    'a ruler',
    undefined,
    false,
    'FULL',
    2,
    { fedprox_mu: 0.1, validate_type: 'before_train_validate' },
  ]);
});

test('a string is a return code; without metrics before it training goes on; FLARE’s answers to failures', async () => {
  class Learner extends ModelLearner {
    override train({ params = new Map(), currentRound }: FLModel) {
      if (currentRound === 1) return 'SERVICE_UNAVAILABLE' as const;
      if (currentRound === 2) return undefined as never;
      if (currentRound === 3) return this.stopTask('of the data: 42');
      return { params, metrics: { local: 9 } };
    }
    override validate({ currentRound }: FLModel) {
      if (currentRound === 4) throw new Error('of the data: 42');
      return 'VALIDATE_TYPE_UNKNOWN' as const;
    }
    override getModel(name: string): FLModel {
      return { params: numbers(name === 'best' ? 7 : 8) };
    }
  }
  const rounds = [0, 1, 2, 3, 4].map((round) => task(`t${round}`, 'train', { round }));
  const { server } = await run(new Learner(), [
    ...rounds,
    task('v', 'validate'),
    { id: 'own', name: 'submit_model', data: { name: 'best' } },
    task('odd', 'dance'),
  ]);
  expect(headerOf(server, 't0')).toMatchObject({ return_code: 'OK', metrics: { local: 9 } });
  expect(headerOf(server, 't1')['return_code']).toBe('SERVICE_UNAVAILABLE');
  expect(headerOf(server, 't2')['return_code']).toBe('EMPTY_RESULT');
  expect(headerOf(server, 't3')['return_code']).toBe('EXECUTION_EXCEPTION');
  expect(headerOf(server, 't4')['return_code']).toBe('EXECUTION_EXCEPTION');
  expect(headerOf(server, 'v')['return_code']).toBe('VALIDATE_TYPE_UNKNOWN');
  expect(server.tensorsOf('own').tensors.get('w')?.data).toEqual(Float32Array.of(7));
  expect(headerOf(server, 'odd')['return_code']).toBe('TASK_UNKNOWN');
  for (const { id } of rounds) expect(JSON.stringify(headerOf(server, id))).not.toContain('42');
});

test('initialize that fails costs its task, and isn’t tried again; configure gets what the task brings', async () => {
  const calls: unknown[] = [];
  class Learner extends ModelLearner {
    override initialize(): void {
      calls.push('initialize');
      throw new Error('no disk');
    }
    override configure({ meta }: FLModel): void {
      calls.push(meta);
    }
    override finalize(): void {
      calls.push('finalize');
    }
  }
  const { server } = await run(new Learner(), [
    task('t'),
    { id: 'c', name: 'configure', data: { depth: 3 } },
  ]);
  expect(headerOf(server, 't')['return_code']).toBe('EXECUTION_EXCEPTION');
  expect(headerOf(server, 'c')['return_code']).toBe('OK');
  expect(calls).toEqual(['initialize', { depth: 3 }, 'finalize']);
});

test('abort on abort, while it trains; the next task waits for the one before', async () => {
  const calls: string[] = [];
  class Learner extends ModelLearner {
    #stop = (): void => undefined;
    override async train({ params = new Map(), currentRound }: FLModel): Promise<FLModel> {
      calls.push(`train ${currentRound}`);
      if (currentRound === 0) await new Promise<void>((resolve) => (this.#stop = resolve));
      await new Promise((resolve) => setTimeout(resolve, 30));
      calls.push(`trained ${currentRound} ${this.isAborted()}`);
      return { params };
    }
    override abort(): void {
      calls.push('abort');
      this.#stop();
    }
  }
  const server = new FakeServer();
  const tasks = [task('x', 'train', { leaseS: 0.03 }), task('y', 'train', { round: 1 })];
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, tasks).ended = true;
  setTimeout(() => server.jobs.get('j')?.closed.add('x'), 60);
  await serve(server, ended, { app: modelLearner(() => new Learner()) });
  expect(calls).toEqual(['train 0', 'abort', 'trained 0 true', 'train 1', 'trained 1 false']);
  expect([...server.results.keys()]).toEqual(['y']);
});

test('messages, events and a panic of a learner’s', async () => {
  const heard: string[] = [];
  class Listener extends FLComponent {
    override handleEvent(eventType: string): void {
      if (!/task|run/.test(eventType)) heard.push(eventType);
    }
  }
  class Learner extends ModelLearner {
    override async train({ params = new Map() }: FLModel): Promise<FLModel> {
      await this.info('training');
      await this.warning('few rows');
      await this.event('own.halfway');
      await this.panic('no more rows');
      return { params };
    }
  }
  const { server, events } = await run(new Learner(), [task('a'), task('b')], {
    components: components(() => ({ listener: new Listener() })),
  });
  const said = events.flatMap((event) =>
    event.type === 'message' && event.source === 'Learner' ? [[event.level, event.text]] : [],
  );
  expect(said).toEqual([
    ['warning', 'pretrain validate: no metrics, EMPTY_RESULT'],
    ['info', 'training'],
    ['warning', 'few rows'],
  ]);
  expect(heard).toEqual([
    '_warning_log_available',
    '_warning_log_available',
    'own.halfway',
    '_fatal_system_error',
  ]);
  expect(server.results.has('b')).toBe(false);
  expect(events.at(-1)).toMatchObject({ type: 'job-ended', reason: 'panic: no more rows' });
});
