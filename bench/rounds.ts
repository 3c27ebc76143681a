/**
 * What a round costs besides training: task, download, upload, fold, next task. Eight sites with a model of 1 MB in one
 * load process, beside the server. `node bench/rounds.ts [--sites 8] [--bytes 1048576] [--rounds 40]`
 */
import { parseArgs } from 'node:util';
import { type Site, tensors, update, withOperator } from './crowd.ts';
import { machine, median, percentile, table } from './machine.ts';
import { withServer } from './server.ts';

const { values: options } = parseArgs({
  options: {
    sites: { type: 'string', default: '8' },
    bytes: { type: 'string', default: `${2 ** 20}` },
    rounds: { type: 'string', default: '40' },
  },
});
const SITES = Number(options.sites);
const BYTES = Number(options.bytes);
const ROUNDS = Number(options.rounds);
/** Rounds that don't count: code that runs for the first time is slow. */
const WARM_UP = 5;

/** What one site saw of one round, on one clock. */
interface Visit {
  readonly asked: number;
  readonly received: number;
  readonly downloaded: number;
  readonly uploaded: number;
}

async function serve(site: Site, job: string, body: Uint8Array): Promise<Visit[]> {
  const visits: Visit[] = [];
  for (let asked = performance.now(); ; asked = visits.at(-1)?.uploaded ?? asked) {
    const given = await site.task(job);
    if (!given) return visits;
    const downloaded = await site.download(given.task);
    const uploaded = await site.submit(given.task, body);
    visits.push({ asked, received: given.at, downloaded, uploaded });
  }
}

await withServer((server) =>
  withOperator(server, async (operator) => {
    const job = await operator.submit(
      {
        name: 'rounds',
        minSites: SITES,
        workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: ROUNDS + WARM_UP + 1 } }],
        executors: [{ tasks: ['*'], use: 'app' }],
      },
      tensors(BYTES, 0),
    );
    const sites = await operator.enrol(Array.from({ length: SITES }, (_, i) => `site-${i}`));
    const body = update(BYTES, 0.001);
    const visits = await Promise.all(sites.map((site) => serve(site, job, body)));
    const { status, reason } = await operator.status(job);
    if (status !== 'FINISHED:COMPLETED') throw new Error(`${status}: ${reason}`);

    // A round begins when its task is at the first site and ends when the next one's is.
    const at = (round: number, moment: keyof Visit): number[] =>
      visits.map((of) => of[round]?.[moment] ?? Number.NaN);
    const each = (measure: (round: number) => number): number[] =>
      Array.from({ length: ROUNDS }, (_, i) => measure(WARM_UP + i));
    const begins = (round: number): number => Math.min(...at(round, 'received'));
    const parts: readonly (readonly [string, number[], string])[] = [
      ['round', each((r) => begins(r + 1) - begins(r)), '100'],
      [
        'task at the first site until all have the model',
        each((r) => Math.max(...at(r, 'downloaded')) - begins(r)),
        '',
      ],
      [
        'then until the last result is acknowledged',
        each((r) => Math.max(...at(r, 'uploaded')) - Math.max(...at(r, 'downloaded'))),
        '',
      ],
      [
        'then until the next task is at the first site',
        each((r) => begins(r + 1) - Math.max(...at(r, 'uploaded'))),
        '',
      ],
    ];
    for (const site of sites) site.close();
    const { peak } = await server.memory();

    console.log(machine('workerd', 'hono'));
    console.log(
      `${SITES} sites in one load process, no training, ${BYTES} bytes of float32 down and up for each and round; DIFF, all checks on.`,
    );
    console.log(
      `${ROUNDS} rounds after ${WARM_UP} to warm up; rows in ${process.env['TMPDIR'] ?? '/tmp'}; server's VmHWM ${peak.toFixed(0)} MB.\n`,
    );
    console.log(
      table([
        ['ms', 'median', 'p99', 'bar'],
        ...parts.map(([what, all, bar]) => [
          what,
          median(all).toFixed(1),
          percentile(all, 0.99).toFixed(1),
          bar && `median ${bar}`,
        ]),
      ]),
    );
    console.log(
      "\nFor comparison, measured earlier and not in this run: FLARE's simulator takes about 2,500 ms for a round on such a machine, whatever the model's size.",
    );
  }),
);
