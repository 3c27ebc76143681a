import { table } from '../cli/src/output.ts';
import type { Baselines } from './baseline.ts';
import type { Verdict } from './judge.ts';
import type { SiteRound } from './scoreboard.ts';

/** One round as the demo measured it: the model that it made, on the held-out images. */
export interface RoundResult {
  /** From 1. */
  readonly round: number;
  readonly accuracy: number;
  readonly loss: number;
  readonly digest: string;
  /** Each site on its own validation images, of the model that it was sent this round. */
  readonly sites: Readonly<Record<string, SiteRound>>;
}

type Cell =
  | { readonly metrics: Readonly<Record<string, number>>; readonly examples: number }
  | { readonly reason: string };
/** Data site -> model owner -> cell: the result of `cross-site-eval`. */
export type CrossSite = Readonly<Record<string, Readonly<Record<string, Cell>>>>;

/** Everything that the demo found out; `npm run demo -- --json` prints it as one line. */
export interface DemoResult {
  /** Of the final federated model on the held-out images, 0 to 1. */
  readonly accuracy: number;
  readonly loss: number;
  readonly alone: {
    readonly min: number;
    readonly mean: number;
    readonly max: number;
    readonly sites: Readonly<Record<string, number>>;
  };
  readonly centralized: number;
  /** Optimizer steps of each of these models. */
  readonly steps: number;
  readonly heldOut: number;
  readonly rounds: readonly RoundResult[];
  readonly crossSite: CrossSite;
  readonly digest: string;
  /** Request and answer bodies of all sites. */
  readonly bytes: { readonly up: number; readonly down: number };
  readonly files: { readonly safetensors: string; readonly onnx: string };
}

/** Least, mean and greatest accuracy of the sites alone. */
export const aloneOf = ({ alone }: Baselines): DemoResult['alone'] => {
  const sites = Object.fromEntries([...alone].map(([site, { accuracy }]) => [site, accuracy]));
  const all = Object.values(sites);
  const mean = all.reduce((sum, accuracy) => sum + accuracy, 0) / all.length;
  return { min: Math.min(...all), mean, max: Math.max(...all), sites };
};

/** The site x digit counts. */
export const splitTable = (
  sites: readonly string[],
  counts: readonly (readonly number[])[],
): string =>
  table(
    ['site', ...Array.from({ length: 10 }, (_, digit) => `'${digit}'`), 'all'],
    sites.map((site, i) => {
      const row = counts[i] ?? [];
      return [site, ...row.map(String), String(row.reduce((sum, n) => sum + n, 0))];
    }),
  );

export const verdictText = ({ accuracy, loss }: Pick<Verdict, 'accuracy' | 'loss'>): string =>
  `accuracy ${accuracy.toFixed(4)}, loss ${loss.toFixed(4)}`;

/** The comparison: what each site gets alone, what they get together, what all data in one place would give. */
export const comparison = ({ accuracy, alone, centralized }: DemoResult): string => {
  const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;
  const rows = [
    ['each site alone, least', percent(alone.min)],
    ['each site alone, mean', percent(alone.mean)],
    ['each site alone, greatest', percent(alone.max)],
    ['federated', percent(accuracy)],
    ['centralized (all data in one place)', percent(centralized)],
  ] as const;
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value.padStart(8)}`).join('\n');
};

/** Whose model is how good on whose data. */
export const crossSiteTable = (crossSite: CrossSite): string => {
  const owners = [...new Set(Object.values(crossSite).flatMap((row) => Object.keys(row)))];
  const order = [
    'global',
    'best',
    ...owners.filter((owner) => owner !== 'global' && owner !== 'best').sort(),
  ];
  const shown = order.filter((owner) => owners.includes(owner));
  const cell = (value: Cell | undefined): string =>
    value && 'metrics' in value ? (value.metrics['accuracy'] ?? 0).toFixed(3) : '-';
  return table(
    ['data of', ...shown],
    Object.entries(crossSite).map(([site, row]) => [
      site,
      ...shown.map((owner) => cell(row[owner])),
    ]),
  );
};
