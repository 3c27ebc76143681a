import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const version = (name: string, from: NodeJS.Require = require): string => {
  const entry = from.resolve.paths(name) ?? [];
  for (const folder of entry) {
    try {
      return (
        JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }
      ).version;
    } catch {
      continue;
    }
  }
  return 'not installed';
};

/** One line on the machine and one on the versions of what was measured: every table begins with it. */
export const machine = (...packages: readonly string[]): string =>
  [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${release()} ${arch()}`,
    [`node ${process.versions.node}`, ...packages.map((name) => `${name} ${version(name)}`)].join(
      ', ',
    ),
  ].join('\n');

/** The middle of a sample. */
export const median = (sample: readonly number[]): number => {
  const sorted = sample.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

/** Nearest-rank percentile, `q` in (0, 1]. */
export const percentile = (sample: readonly number[], q: number): number =>
  sample.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * sample.length) - 1)] as number;

/** A plain text table; the first row is the head. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number),
        )
        .join('  '),
    )
    .join('\n');
};
