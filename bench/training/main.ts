// `npm run bench:train [-- model ...]`: one training step, ours beside the peers', in one run. Each contestant is a process
// (or a tab) that stays alive; after a warm-up they take rounds in turn, and a row is the median of all steps with the
// slowest and fastest round's median. Nothing asserts a time.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { differentiate } from '../../core/onnx/index.ts';
import { CHROMIUM } from '../../tests/browser/chromium.ts';
import { machine, median, table } from '../machine.ts';
import { openChromium } from './browser.ts';
import type { Contestant } from './contestant.ts';
import { IN_NODE, inChromium } from './field.ts';
import type { Entry } from './field.ts';
import { MODELS } from './models.ts';
import type { ModelName } from './models.ts';

const ROUNDS = 5;
const BATCHES = [32, 64] as const;
/** About as long as a round and a warm-up take. */
const ROUND_MS = 700;
const WARM_MS = 1500;
/** A step that takes this long is measured once. */
const SLOW_MS = 4000;

const peers = join(import.meta.dirname, 'peers');
if (!existsSync(join(peers, 'node_modules'))) {
  // onnxruntime-node would fetch GPU libraries that aren't used here.
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: peers,
    stdio: 'inherit',
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
}

interface Result {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly about: string;
}
type Outcome = Result | { readonly absent: string };

interface Runner {
  readonly contestant: Contestant;
  readonly steps: number;
  readonly rounds: number[][];
}

/** Warms a contestant up; answers how many steps make a round. */
const warmed = async (contestant: Contestant): Promise<Runner> => {
  await contestant.round(1); // compiles, in some
  const begun = performance.now();
  let ms = median((await contestant.round(1)).ms);
  for (let count = 1; performance.now() - begun < WARM_MS && ms < SLOW_MS; count *= 2)
    ms = median((await contestant.round(Math.min(count, 64))).ms);
  return {
    contestant,
    steps: Math.max(1, Math.min(500, Math.round(ROUND_MS / ms))),
    rounds: ms < SLOW_MS ? [] : [[ms]],
  };
};

const race = async (
  field: readonly Entry[],
  model: ModelName,
  batch: number,
): Promise<ReadonlyMap<string, Outcome>> => {
  const outcomes = new Map<string, Outcome>();
  const runners = new Map<string, Runner>();
  for (const entry of field) {
    const absent = entry.absent?.[model];
    try {
      if (absent === undefined)
        runners.set(entry.name, await warmed(await entry.start(model, batch)));
      else outcomes.set(entry.name, { absent });
    } catch (error) {
      outcomes.set(entry.name, { absent: String(error).split('\n')[0]?.slice(0, 120) ?? '' });
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { contestant, steps, rounds } of runners.values()) {
      if (rounds[0]?.[0] !== undefined && rounds[0][0] >= SLOW_MS) continue;
      rounds.push([...(await contestant.round(steps)).ms]);
    }
  }
  for (const [name, { contestant, rounds }] of runners) {
    const middles = rounds.map(median);
    outcomes.set(name, {
      median: median(rounds.flat()),
      low: Math.min(...middles),
      high: Math.max(...middles),
      about: contestant.about,
    });
    await contestant.stop();
  }
  return outcomes;
};

const digits = (ms: number): string => (ms < 100 ? ms.toPrecision(3) : ms.toFixed(0));

const rowsOf = (
  field: readonly Entry[],
  outcomes: ReadonlyMap<string, Outcome>,
  model: ModelName,
) =>
  field.map(({ name, against }) => {
    const its = outcomes.get(name);
    if (its === undefined || 'absent' in its) return [name, '-', '', its?.absent ?? ''];
    const ratios = against.flatMap(({ ours: row, bars }) => {
      const ours = outcomes.get(row);
      if (ours === undefined || 'absent' in ours) return [];
      const ratio = its.median / ours.median;
      const bar = bars[model];
      const verdict =
        bar === undefined ? '' : ` (bar ${bar.toFixed(2)}: ${ratio >= bar ? 'met' : 'missed'})`;
      return [`${ratio.toFixed(2)}x of ${row.replace('Tributary, ', '')}${verdict}`];
    });
    const label = its.about === '' ? name : `${name} [${its.about}]`;
    return [label, digits(its.median), `${digits(its.low)}-${digits(its.high)}`, ratios.join('; ')];
  });

const HEAD = ['ms a step', 'median', 'rounds', 'its time / ours'];

const asked = process.argv.slice(2) as ModelName[];
const names: readonly ModelName[] = ['mlp', 'cnn', 'resnet18', 'gpt'];
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; expected some of ${names.join(', ')}`);
  process.exit(2);
}
const models = asked.length > 0 ? asked : names;

console.log(machine('onnxruntime-web'));
console.log(
  Object.entries(
    (await import('./peers/package.json', { with: { type: 'json' } })).default.dependencies,
  )
    .map(([name, version]) => `${name} ${version}`)
    .join(', '),
);
console.log(
  `Plain SGD, float32, the same graph for all that read ONNX. ${ROUNDS} rounds of about ${ROUND_MS} ms in turn, after a warm-up; "rounds" is the lowest and highest median of a round.`,
);

for (const model of models) {
  for (const batch of BATCHES) {
    console.log(`\n## ${model}, batch ${batch}, Node\n`);
    console.log(table([HEAD, ...rowsOf(IN_NODE, await race(IN_NODE, model, batch), model)]));
  }
}

if (CHROMIUM === undefined) console.log('\nno Chromium here: set CHROMIUM to the path of one');
else {
  for (const model of models) {
    for (const batch of BATCHES) {
      for (const gpu of [false, true]) {
        // On a software adapter one size tells as much as two, and large models take minutes.
        if (gpu && (batch > 32 || model === 'resnet18' || model === 'gpt')) continue;
        const chromium = await openChromium();
        const field = inChromium(chromium, gpu);
        console.log(`\n## ${model}, batch ${batch}, Chromium${gpu ? ', software WebGPU' : ''}\n`);
        console.log(table([HEAD, ...rowsOf(field, await race(field, model, batch), model)]));
        await chromium.close();
      }
    }
  }
}

console.log('\n## differentiate()\n');
console.log(
  table([
    ['model', 'ms, median of 5', 'train program, KB without weights'],
    ...models.map((name) => {
      const model = MODELS[name]();
      const ms: number[] = [];
      let size = 0;
      for (let i = 0; i < 5; i++) {
        const before = performance.now();
        const made = differentiate(model, {
          loss: { name: 'softmax-cross-entropy', axis: -1 },
          optimizer: { name: 'sgd' },
        });
        ms.push(performance.now() - before);
        if (made.ok) size = made.value.train.model.length;
      }
      return [name, median(ms).toFixed(0), (size / 1000).toFixed(0)];
    }),
  ]),
);
