import { expect, test } from 'vitest';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { DXO } from '../../../core/protocol/dxo.ts';
import { EventType } from '../../../core/protocol/event-type.ts';
import { HeaderKey, makeReply, Shareable } from '../../../core/protocol/shareable.ts';
import type { JobSpec } from '../../../core/protocol/job.ts';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import type { SiteOptions } from '../site.ts';
import { FLComponent } from './component.ts';
import { components, Engine } from './engine.ts';
import { Executor, executor } from './executor.ts';

type Execute = (
  taskName: string,
  shareable: Shareable,
  context: FLContext,
  signal: AbortSignal,
) => Shareable | Promise<Shareable>;

/** Runs tasks with one executor, and gives the server that has the answers. */
const run = async (
  tasks: FakeTask[],
  execute: Execute,
  options: Partial<SiteOptions> = {},
  trouble: (server: FakeServer) => void = () => undefined,
) => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, tasks).ended = true;
  trouble(server);
  class Own extends Executor {
    execute(...args: Parameters<Execute>): Shareable | Promise<Shareable> {
      return execute(...args);
    }
  }
  const events = await serve(server, ended, { app: executor(() => new Own()), ...options });
  return { server, events };
};

const task = (id: string, more: Partial<FakeTask> = {}): FakeTask => ({
  id,
  name: 'count',
  ...more,
});

test('a task’s headers, data, cookies and peer come with it; cookies and public props go back', async () => {
  const seen: unknown[] = [];
  const { server } = await run(
    [
      task('a', {
        round: 1,
        data: { bins: 4 },
        headers: { [HeaderKey.COOKIE_JAR]: { step: 'one' } },
        peerProps: { pace: 3 },
      }),
      task('b'),
    ],
    (taskName, shareable, context) => {
      const { dataKind, data } = DXO.fromShareable(shareable);
      seen.push([taskName, Object.fromEntries(shareable.headers), dataKind, data]);
      const peer = context.getPeerContext();
      seen.push([peer?.getIdentityName(), peer?.getProp('pace')]);
      context.setProp('mood', 'good', { private: false });
      context.setProp('secret', 42);
      const reply = new DXO('STATISTICS', { counts: [1, 2] }, { rows: 3 }).toShareable();
      reply.setHeader('note', 'hand-made');
      return reply;
    },
  );
  expect(seen.slice(0, 2)).toEqual([
    [
      'count',
      {
        __content_type__: 'DXO',
        __cookie_jar__: { step: 'one' },
        __task_name__: 'count',
        __task_id__: 'a',
        __workflow__: 'main',
        current_round: 1,
        num_rounds: 3,
        __peer_props__: { __identity_name__: 'server', __run_num__: 'j', pace: 3 },
      },
      'APP_DEFINED',
      { bins: 4 },
    ],
    ['server', 3],
  ]);
  expect(server.tensorsOf('a').header).toEqual({
    data_kind: 'STATISTICS',
    data: { counts: [1, 2] },
    meta: { rows: 3 },
    headers: { [HeaderKey.COOKIE_JAR]: { step: 'one' }, note: 'hand-made' },
    peer_props: { __identity_name__: 'hospital-a', __run_num__: 'j', mood: 'good' },
    return_code: 'OK',
  });
  expect(server.tensorsOf('b').header['headers']).toEqual({ note: 'hand-made' });
  expect(server.tensorsOf('b').header['peer_props']).toMatchObject({ mood: 'good' });
});

test('tensors that aren’t a model’s weights, and several DXOs at once', async () => {
  const { server } = await run([task('app'), task('many')], (_name, shareable) =>
    shareable.getHeader(HeaderKey.TASK_ID) === 'app'
      ? new DXO('APP_DEFINED', numbers(1, 2)).toShareable()
      : new DXO(
          'COLLECTION',
          new Map<string, DXO>([
            ['model', new DXO('WEIGHT_DIFF', numbers(3))],
            ['control', new DXO('WEIGHTS', numbers(4), { of: 'c' })],
            ['seen', new DXO('METRICS', { loss: 1 })],
          ]),
        ).toShareable(),
  );
  const app = server.tensorsOf('app');
  expect(app.tensors).toEqual(new Map([['data/w', numbers(1, 2).get('w')]]));
  expect(app.header).toMatchObject({
    data_kind: 'APP_DEFINED',
    sets: { data: { kind: 'OTHER', prefix: 'data/' } },
  });
  const many = server.tensorsOf('many');
  expect([...many.tensors.keys()]).toEqual(['model/w', 'control/w']);
  expect(many.header).toMatchObject({
    data_kind: 'COLLECTION',
    sets: {
      model: { kind: 'WEIGHT_DIFF', prefix: 'model/' },
      control: { kind: 'WEIGHTS', prefix: 'control/' },
    },
    data: { control: { kind: 'WEIGHTS', meta: { of: 'c' } }, seen: { data: { loss: 1 } } },
  });
});

test.each([
  [
    'a return code',
    () => makeReply('EMPTY_RESULT', { __error__: 'no rows' }),
    'EMPTY_RESULT',
    'no rows',
  ],
  ['nothing', () => undefined as never, 'EXECUTION_RESULT_ERROR', 'must give a Shareable'],
  [
    'an exception',
    () => {
      throw new Error('row 17 of patient X');
    },
    'EXECUTION_EXCEPTION',
    undefined,
  ],
] as const)('%s is an answer', async (_what, execute, code, why) => {
  const { server } = await run([task('a')], execute);
  const { header } = server.tensorsOf('a');
  expect(header['return_code']).toBe(code);
  expect(JSON.stringify(header)).not.toContain('patient');
  if (why !== undefined)
    expect(header).toMatchObject({ meta: { detail: expect.stringContaining(why) } });
});

test('what handlers do to the reply is sent; one that throws harms nobody', async () => {
  class Careless extends FLComponent {
    override handleEvent(): void {
      throw new Error('oh');
    }
  }
  class Marker extends FLComponent {
    override handleEvent(eventType: string, context: FLContext): void {
      if (eventType !== EventType.BEFORE_TASK_RESULT_FILTER) return;
      const reply = context.getProp('__task_result__');
      if (reply instanceof Shareable) reply.setHeader('seen_by', 'marker');
    }
  }
  const made = { careless: new Careless(), marker: new Marker() };
  const { server, events } = await run(
    [task('a')],
    () => new DXO('METRICS', { n: 1 }).toShareable(),
    { components: components(() => made) },
  );
  expect(server.tensorsOf('a').header).toMatchObject({
    metrics: { n: 1 },
    headers: { seen_by: 'marker' },
  });
  expect(events).toContainEqual({
    type: 'message',
    job: 'j',
    level: 'exception',
    source: 'Careless',
    text: 'handling _start_run: oh',
  });
});

test('an abort reaches the executor and its components while it works', async () => {
  const heard: string[] = [];
  class Listener extends FLComponent {
    override handleEvent(eventType: string): void {
      heard.push(eventType);
    }
  }
  let aborted = false;
  const { server } = await run(
    [task('x', { leaseS: 0.03 })],
    (_name, _shareable, _context, signal) => {
      const { promise, resolve } = Promise.withResolvers<Shareable>();
      signal.addEventListener('abort', () => {
        aborted = true;
        resolve(makeReply('TASK_ABORTED'));
      });
      return promise;
    },
    { components: components(() => ({ listener: new Listener() })) },
    (fake) => setTimeout(() => fake.jobs.get('j')?.closed.add('x'), 50),
  );
  expect(aborted).toBe(true);
  expect(server.results.size).toBe(0);
  expect(heard.filter((event) => event === '_abort_task')).toHaveLength(1);
  expect(heard.at(-1)).toBe('_end_run');
  expect(heard).not.toContain('_after_task_execution');
});

test('a panic ends the job at this site', async () => {
  const { server, events } = await run(
    [task('a'), task('b')],
    async (_name, _shareable, context) => {
      await new FLComponent().systemPanic('the disk is gone', context);
      return new DXO('METRICS', { n: 1 }).toShareable();
    },
  );
  expect(server.tensorsOf('a').header).toMatchObject({ return_code: 'EXECUTION_EXCEPTION' });
  expect(server.results.has('b')).toBe(false);
  expect(events.at(-1)).toMatchObject({ type: 'job-ended', reason: 'panic: the disk is gone' });
});

test('a federated event is heard here and goes to the server; one that it doesn’t take is lost, and said', async () => {
  const heard: unknown[] = [];
  class Listener extends FLComponent {
    override handleEvent(eventType: string, context: FLContext): void {
      if (eventType.startsWith('own.')) heard.push([eventType, context.getProp('__event_scope__')]);
    }
  }
  const { server, events } = await run(
    [task('a')],
    async (_name, _shareable, context) => {
      const self = new FLComponent();
      await self.fireEvent('own.local', context);
      const data = new Shareable([['progress', 0.5]]);
      await self.fireFedEvent('own.progress', data, context);
      return makeReply('OK');
    },
    { components: components(() => ({ listener: new Listener() })) },
  );
  expect(heard).toEqual([
    ['own.local', 'local'],
    ['own.progress', 'federation'],
  ]);
  expect(server.requests.filter(({ path }) => path === '/v1/jobs/j/fed-events')).toHaveLength(1);
  expect(events).toContainEqual(expect.objectContaining({ type: 'message', source: 'FedEvents' }));
  expect(server.tensorsOf('a').header).toMatchObject({ return_code: 'OK' });
});

test('a federated event that came is heard by the site’s components, and doesn’t go back', async () => {
  const heard: unknown[] = [];
  class Listener extends FLComponent {
    override handleEvent(eventType: string, context: FLContext): void {
      const data = context.getProp('__event_data__');
      if (!(data instanceof Shareable)) return;
      const { headers } = data;
      heard.push([eventType, Object.fromEntries(data), headers.get('_origin'), headers.get('of')]);
    }
  }
  const sent: unknown[] = [];
  const job = { id: 'j', site: 'a', spec: {} as JobSpec, say: () => undefined };
  const make = components(() => ({ listener: new Listener() }));
  const engine = make({ ...job, sendEvents: async (events) => sent.push(...events) });
  if (!(engine instanceof Engine)) throw new Error('no engine');
  const event = { seq: 0, type: 'own.pace', data: { pace: 3 }, headers: { of: 'x' }, time: 1 };
  await engine.hear({ events: [event, { ...event, seq: 1, origin: 'site-2' }] });
  expect(heard).toEqual([
    ['own.pace', { pace: 3 }, 'server', 'x'],
    ['own.pace', { pace: 3 }, 'site-2', 'x'],
  ]);
  expect(sent).toEqual([]);
});

test('an executor may change its tensors in place: a difference is against those that came', async () => {
  const server = new FakeServer();
  const executors = [{ tasks: ['*'], use: 'app', args: { transferType: 'DIFF' } }];
  server.addJob('j', { executors }, [task('a', { model: encode(numbers(1, 2)) })]).ended = true;
  class Changer extends Executor {
    execute(_name: string, shareable: Shareable): Shareable {
      const dxo = DXO.fromShareable(shareable);
      const data = dxo.is('WEIGHTS') && dxo.data.get('w')?.data;
      if (data) data[0] = 5;
      return dxo.toShareable();
    }
  }
  await serve(server, ended, { app: executor(() => new Changer()) });
  expect(server.tensorsOf('a').tensors.get('w')?.data).toEqual(Float32Array.of(4, 0));
});
