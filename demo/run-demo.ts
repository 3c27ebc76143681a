import { writeFile } from 'node:fs/promises';
import { uploadBlob } from '../cli/src/blob-upload.ts';
import type { Examples } from '../cli/src/data/dataset.ts';
import { bytesText } from '../cli/src/output.ts';
import { writeProfile } from '../cli/src/profile.ts';
import { ServerApi } from '../cli/src/server-api.ts';
import { watchJob } from '../cli/src/watch.ts';
import { Connection } from '../client-kit/src/connection.ts';
import type { Programs } from '../core/onnx/index.ts';
import { forward } from '../core/onnx/index.ts';
import type { JobView } from '../core/protocol/job-status.ts';
import { keysOf } from '../scripts/keys.ts';
import { trainBaselines } from './baseline.ts';
import { Bench } from './bench.ts';
import { Chaos } from './chaos.ts';
import { farewell, greeting, invitation, joinedOf } from './words.ts';
import { pick, readDigits } from './digits.ts';
import { forwardModel, jobOf, programsOf, SETTINGS } from './learning.ts';
import type { DemoOptions } from './options.ts';
import { bar } from './progress.ts';
import type { Progress } from './progress.ts';
import { drawDigits, recognise } from './recognise.ts';
import { Rounds, tensorsOf } from './rounds.ts';
import { Scoreboard } from './scoreboard.ts';
import { freePort, ServerProcess } from './server-process.ts';
import { SiteFleet } from './site-fleet.ts';
import { splitBySites } from './split.ts';
import { aloneOf, comparison, crossSiteTable, splitTable, verdictText } from './summary.ts';
import type { CrossSite, DemoResult, RoundResult } from './summary.ts';
import { furnish, openWorkplace } from './workplace.ts';
import type { Workplace } from './workplace.ts';

const DIGITS_SHOWN = 8;

/** What the federation starts from. */
interface Setup {
  readonly options: DemoOptions;
  readonly place: Workplace;
  readonly programs: Programs;
  readonly shards: ReadonlyMap<string, Examples>;
  readonly heldOut: Examples;
}

/** What the federation came to. */
interface Federation {
  readonly job: string;
  readonly view: JobView;
  readonly file: Uint8Array<ArrayBuffer>;
  readonly rounds: readonly RoundResult[];
  readonly steps: number;
  readonly bytes: DemoResult['bytes'];
  readonly server: string;
}

/** The whole demo: split, train together, compare, export. Rejects with the signal's reason; leaves no process behind. */
export const runDemo = async (
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<DemoResult> => {
  const place = await openWorkplace(options.data);
  try {
    const setup = await prepare(options, place, progress);
    const federation = await federate(setup, progress, signal);
    const result = await judge(setup, federation, progress, signal);
    for (const line of farewell(place, federation.job, federation.server)) progress.line(line);
    return result;
  } finally {
    await place.close();
  }
};

const prepare = async (
  options: DemoOptions,
  place: Workplace,
  progress: Progress,
): Promise<Setup> => {
  const { sites, examples, alpha, seed } = options;
  for (const line of greeting(options)) progress.line(line);
  const [digits, heldOut] = await Promise.all([readDigits('train'), readDigits('t10k')]);
  const width = String(sites).length;
  const names = Array.from(
    { length: sites },
    (_, i) => `site-${String(i + 1).padStart(width, '0')}`,
  );
  const split = splitBySites({ labels: digits.y, classes: 10, sites, examples, alpha, seed });
  const shards = new Map(names.map((name, i) => [name, pick(digits, split.shards[i] ?? [])]));
  for (const [name, shard] of shards) await furnish(place.site(name), shard);
  progress.heading(
    `Who has what: ${examples} of MNIST's 60,000 training images, Dirichlet(${alpha}), seed ${seed}`,
  );
  progress.line(splitTable(names, split.counts));
  const programs = programsOf(forwardModel(options));
  return { options, place, programs, shards, heldOut };
};

/** Starts server and sites, runs the job to its end and stops them. */
const federate = async (
  setup: Setup,
  progress: Progress,
  signal: AbortSignal,
): Promise<Federation> => {
  const { options, place, programs, shards, heldOut } = setup;
  const names = [...shards.keys()];
  const server = new ServerProcess({
    port: options.port || (await freePort()),
    data: place.server,
  });
  const { keys } = await keysOf(place.server);
  const bench = new Bench({ programs, heldOut });
  let fleet: SiteFleet | undefined;
  try {
    await server.start();
    progress.heading('Server and job');
    progress.line(`  server on ${server.url}, process ${server.pid}`);
    await writeProfile(place.profile, { server: server.url, token: keys.ADMIN_TOKEN });
    const api = new ServerApi(
      new Connection({ server: server.url, token: keys.ADMIN_TOKEN }),
      signal,
      Infinity,
    );
    const { spec, model } = jobOf(programs, options);
    for (const blob of [model, programs.train.model, programs.evaluate.model]) {
      await uploadBlob(api.connection, new Blob([new Uint8Array(blob)]), { signal });
    }
    const { id } = await api.call('createJob', {}, spec);
    const workflows = spec.workflows.map(({ use }) => use).join(', then ');
    progress.line(`  job ${id}: ${workflows}; model of ${bytesText(model.length)}`);
    const { token } = await api.call('createEnrolment', {}, { uses: names.length });
    const tab = await api.call('createEnrolment', {}, { uses: 1 });
    const link = `${server.url}/join#${tab.token}`;
    for (const line of invitation(options, link, `${server.url}/jobs/${id}`, place))
      progress.line(line);

    progress.heading(`Training: ${names.length} sites, a process each, ${options.rounds} rounds`);
    const board = new Scoreboard(progress, names);
    const starts = names.map((name) => ({
      server: server.url,
      name,
      enrolment: token,
      ...place.site(name),
    }));
    const running = new SiteFleet(starts, (site, message) => {
      board.hear(site, message);
      chaos?.hear(site, message);
    });
    fleet = running;
    const chaos = options.chaos
      ? new Chaos(options.rounds, {
          killSite: async (site) => {
            await running.kill(site);
            board.down(site);
          },
          startSite: (site) => running.start(site),
          killServer: () => server.kill(),
          startServer: () => server.start(),
          say: (line) => progress.line(line),
        })
      : undefined;
    running.startAll();

    const rounds = new Rounds(
      api,
      id,
      bench,
      (round) => board.rounds.get(round) ?? new Map(),
      (result) => {
        const { up, down } = board.bytes;
        progress.line(
          `round ${result.round}/${options.rounds}  global model on ${heldOut.y.length} held-out test images: ` +
            `${verdictText(result)}   so far up ${bytesText(up)}, down ${bytesText(down)}`,
        );
      },
    );
    const watching = watchJob(
      api,
      id,
      {
        onEvent: (event) => {
          rounds.hear(event);
          const joined = joinedOf(event);
          if (joined !== null && !shards.has(joined))
            progress.line(`  ${joined} has joined by the link`);
        },
        onView: () => undefined,
        onTrouble: (what) => progress.line(what),
      },
      signal,
    );
    const view = await Promise.race([watching, running.failure, ...(chaos ? [chaos.failure] : [])]);
    if (view.status !== 'FINISHED:COMPLETED')
      throw new Error(`the job ended ${view.status}: ${view.reason}`);
    if (chaos && !chaos.done)
      throw new Error('the job ended before chaos struck: give it more rounds or examples');
    await rounds.settled();
    const file = await api.model(id, 'global');
    progress.clear();
    return {
      job: id,
      view,
      file,
      rounds: rounds.results,
      steps: board.steps,
      bytes: { ...board.bytes },
      server: server.url,
    };
  } finally {
    progress.clear();
    await Promise.all([fleet?.stopAll(), bench.close()]);
    await server.stop();
  }
};

/** Compares the federated model with the others, writes it down and shows what it can do. */
const judge = async (
  { options, place, programs, shards, heldOut }: Setup,
  { view, file, rounds, steps, bytes }: Federation,
  progress: Progress,
  signal: AbortSignal,
): Promise<DemoResult> => {
  const { batchSize, lr, validationFraction } = SETTINGS;
  const last = rounds.at(-1);
  const digest = view.models['global']?.digest;
  if (!last || !digest || last.digest !== digest)
    throw new Error('the last round made another model than the job has');

  progress.heading(
    `To compare with: each site alone, and all data in one place; ${steps} optimizer steps each`,
  );
  const baselines = await trainBaselines(
    { programs, heldOut },
    shards,
    { batchSize, lr, validationFraction, steps, seed: options.seed },
    (name, step, of) =>
      progress.row(name, `  ${name.padEnd(11)}  ${bar(step / of)} ${step}/${of} steps`),
    (name, verdict) => progress.line(`  ${name.padEnd(11)}  ${verdictText(verdict)}`),
    signal,
  );
  progress.clear();

  const exported = forward(programs.predict, tensorsOf(file));
  if (!exported.ok) throw new Error(`the model can't be exported: ${exported.error.reason}`);
  await writeFile(place.safetensors, file);
  await writeFile(place.onnx, exported.value);
  const result: DemoResult = {
    accuracy: last.accuracy,
    loss: last.loss,
    alone: aloneOf(baselines),
    centralized: baselines.centralized.accuracy,
    steps,
    heldOut: heldOut.y.length,
    rounds,
    crossSite: view.results['cross-site'] as CrossSite,
    digest,
    bytes,
    files: { safetensors: place.safetensors, onnx: place.onnx },
  };
  progress.heading(
    `Accuracy on the same ${heldOut.y.length} held-out test images, which nobody trained on, after ${steps} optimizer steps each`,
  );
  progress.line(comparison(result));
  progress.line(
    `  (the steps of the federation are those of all ${shards.size} sites in all rounds together)`,
  );
  progress.heading(
    'Whose model (column) is how accurate on whose validation images (row): never seen in training there',
  );
  progress.line(crossSiteTable(result.crossSite));
  progress.heading(
    `${DIGITS_SHOWN} test digits, read by the exported model.onnx in plain ONNX Runtime`,
  );
  const shown = pick(
    heldOut,
    Array.from({ length: DIGITS_SHOWN }, (_, i) => i),
  );
  progress.line(drawDigits(shown, await recognise(exported.value, shown)));
  return result;
};
