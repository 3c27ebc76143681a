/**
 * Sites that wait for work with a long poll on one job: how long it takes from the making of the next task, when a result
 * closes a round, until each of them has it, and what each costs in memory. `node bench/waiting.ts [--sites 1000,5000] [--rounds 12]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Task } from '../core/protocol/task.ts';
import { type Operator, Site, tensors, update, withOperator } from './crowd.ts';
import { machine, median, percentile, table } from './machine.ts';
import { type Server, withServer } from './server.ts';

const { values: options } = parseArgs({
  options: {
    sites: { type: 'string', default: '1000,5000' },
    rounds: { type: 'string', default: '10' },
    full: { type: 'string', default: '3' },
  },
});
const COUNTS = options.sites.split(',').map(Number);
const ROUNDS = Number(options.rounds);
/** Rounds in which every site sends a result: 5,000 of them take a while. */
const FULL_ROUNDS = Number(options.full);
const BYTES = 256;
const TIMEOUT_S = 3600;
const BARS: { readonly [sites: number]: string } = { 1000: 'p99 100', 5000: 'p50 600' };

type Given = { readonly task: Task; readonly at: number } | null;

const executors = [{ tasks: ['*'], use: 'app' }];
const body = update(BYTES, 0.001);

/** A crowd, and one site more whose results close the rounds. */
interface Cast {
  readonly server: Server;
  readonly operator: Operator;
  readonly crowd: readonly Site[];
  readonly closer: Site;
}

/** What is left of a round that another's result closes: how long until each waiting site has the next task. */
interface Round {
  /** From the task's making, on the server's clock in whole milliseconds. */
  readonly receipts: readonly number[];
  /** From the sending of the result that closes the round before. */
  readonly afterResult: readonly number[];
  readonly acknowledged: number;
  /** Processor time of the server. */
  readonly cpu: number;
}

/** When a task was made (epoch ms): its deadline is its timeout later. */
const madeAt = ({ deadline }: Task): number => {
  if (deadline === null) throw new Error('the task has no deadline');
  return deadline - TIMEOUT_S * 1000;
};

/** Until all sites wait: none has asked again for longer than the pause after a try-again (or 15 s are over). */
async function settle(operator: Operator, job: string): Promise<void> {
  for (let before = -1, tries = 0; before !== Site.polls && tries < 10; tries++) {
    before = Site.polls;
    await sleep(1500);
  }
  await operator.status(job);
}

/** The closer's result goes out; the crowd, which waits, gets the next task. */
async function close(
  { server, closer }: Cast,
  task: Task,
  waiting: readonly Promise<Given>[],
): Promise<Round> {
  const before = await server.cpu();
  const start = performance.now();
  const [acknowledged, given] = await Promise.all([
    closer.submit(task, body),
    Promise.all(waiting),
  ]);
  const cpu = (await server.cpu()) - before;
  const all = given.map((one) => {
    if (!one) throw new Error('the job has ended');
    return one;
  });
  return {
    receipts: all.map(({ task, at }) => performance.timeOrigin + at - madeAt(task)),
    afterResult: all.map(({ at }) => at - start),
    acknowledged: acknowledged - start,
    cpu,
  };
}

const must = (given: Given): Task => {
  if (!given) throw new Error('the job has ended');
  return given.task;
};

/**
 * One result closes a round and opens the next: workflows take turns, one for the closer alone and one for anybody that
 * a single result closes.
 */
async function single(cast: Cast, onParked: () => Promise<void>): Promise<Round[]> {
  const { operator, crowd, closer } = cast;
  const turn = (id: string, clients: string[]) => ({
    id,
    use: 'fed-avg',
    args: { rounds: 1, minResponses: 1, clients, selection: 'none', timeout: TIMEOUT_S },
  });
  const workflows = Array.from({ length: ROUNDS + 1 }, (_, i) => [
    turn(`alone-${i}`, ['closer']),
    turn(`all-${i}`, ['@all']),
  ]).flat();
  const minSites = crowd.length + 1;
  const job = await operator.submit(
    { name: 'waiting', minSites, workflows, executors },
    tensors(BYTES, 0),
  );
  const rounds: Round[] = [];
  let waiting = crowd.map((site) => site.task(job));
  for (let i = 0; i <= ROUNDS; i++) {
    const alone = must(await closer.task(job));
    await settle(operator, job);
    if (i === 0) await onParked();
    rounds.push(await close(cast, alone, waiting));
    await closer.submit(must(await closer.task(job)), body);
    waiting = i < ROUNDS ? crowd.map((site) => site.task(job)) : [];
  }
  // The first was to warm up.
  return rounds.slice(1);
}

/** Every site answers, the closer last. -> the rounds, and results taken a second meanwhile */
async function full(cast: Cast): Promise<{ rounds: Round[]; rates: number[] }> {
  const { operator, crowd, closer } = cast;
  const minSites = crowd.length + 1;
  const workflows = [
    {
      id: 'train',
      use: 'fed-avg',
      args: { rounds: FULL_ROUNDS + 1, selection: 'none', timeout: TIMEOUT_S },
    },
  ];
  const job = await operator.submit(
    { name: 'full', minSites, workflows, executors },
    tensors(BYTES, 0),
  );
  const rounds: Round[] = [];
  const rates: number[] = [];
  let given = crowd.map((site) => site.task(job));
  for (let i = 0; i < FULL_ROUNDS; i++) {
    const last = must(await closer.task(job));
    const tasks = (await Promise.all(given)).map(must);
    const start = performance.now();
    await Promise.all(crowd.map((site, s) => site.submit(tasks[s] as Task, body)));
    rates.push(crowd.length / ((performance.now() - start) / 1000));
    given = crowd.map((site) => site.task(job));
    await settle(operator, job);
    rounds.push(await close(cast, last, given));
  }
  return { rounds, rates };
}

const rows: string[][] = [
  [
    'ms from a task to its receipt at each waiting site',
    'p50',
    'p99',
    'max',
    "rounds' p50",
    "rounds' p99",
    'from the closing result: p50',
    'p99',
    'acknowledged',
    'server CPU',
    'bar',
  ],
];
const notes: string[] = [];

function show(what: string, rounds: readonly Round[], bar: string): void {
  const all = rounds.flatMap(({ receipts }) => receipts);
  const late = rounds.flatMap(({ afterResult }) => afterResult);
  const ms = (value: number): string => value.toFixed(0);
  const range = (q: number): string => {
    const each = rounds.map(({ receipts }) => percentile(receipts, q));
    return `${ms(Math.min(...each))}-${ms(Math.max(...each))}`;
  };
  rows.push([
    what,
    ms(median(all)),
    ms(percentile(all, 0.99)),
    ms(Math.max(...all)),
    range(0.5),
    range(0.99),
    ms(median(late)),
    ms(percentile(late, 0.99)),
    ms(median(rounds.map(({ acknowledged }) => acknowledged))),
    ms(median(rounds.map(({ cpu }) => cpu))),
    bar,
  ]);
}

async function measure(server: Server, operator: Operator, count: number): Promise<void> {
  const start = performance.now();
  const names = Array.from({ length: count - 1 }, (_, i) => `site-${i}`);
  const [closer, ...crowd] = await operator.enrol(['closer', ...names]);
  const cast = { server, operator, crowd, closer: closer as Site };
  const enrolled = (performance.now() - start) / 1000;
  const before = await server.memory();
  let parked = before;
  const rounds = await single(cast, async () => {
    parked = await server.memory();
  });
  show(`${count} sites wait, one result closes the round`, rounds, BARS[count] ?? '');
  const { rounds: all, rates } = await full(cast);
  show(`${count} sites wait, all have answered: their results are folded first`, all, '');
  const { peak } = await server.memory();
  for (const site of [cast.closer, ...crowd]) site.close();
  notes.push(
    `${count} sites: enrolled in ${enrolled.toFixed(1)} s; a waiting poll holds ${(((parked.rss - before.rss) * 1024) / count).toFixed(0)} KB of the server (RSS ${before.rss.toFixed(0)} MB with all connected and enrolled, ${parked.rss.toFixed(0)} MB with all waiting); VmHWM ${peak.toFixed(0)} MB in the end; ${median(rates).toFixed(0)} results/s taken while all answer at once.`,
  );
}

for (const count of COUNTS) {
  await withServer((server) =>
    withOperator(server, (operator) => measure(server, operator, count)),
  );
}
console.log(machine('workerd', 'hono'));
console.log(
  `One load process, a connection for each site; a model of ${BYTES} bytes; rows in ${process.env['TMPDIR'] ?? '/tmp'}. ${ROUNDS} rounds, or ${FULL_ROUNDS} where all answer. A task is made in the turn that the closing result ends; that result's way there counts only in the columns from it on.\n`,
);
console.log(table(rows));
console.log(`\n${notes.join('\n')}`);
