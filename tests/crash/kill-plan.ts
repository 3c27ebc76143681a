import { drawOf } from './draw.ts';

/** Moments that the campaign announces; a kill follows one of them. */
export const MOMENTS = ['submit', 'enrol', 'task', 'upload', 'acknowledged'] as const;
export type Moment = (typeof MOMENTS)[number];

/** One SIGKILL (or several at once, for `all`). */
export interface Kill {
  /** Moments of any kind that pass first. */
  readonly after: number;
  /** Then the next moment of this kind. */
  readonly at: Moment | 'any';
  /** Then this long. */
  readonly delayMS: number;
  readonly who: 'server' | 'site' | 'all';
  /** Which site, as a fraction of their number. */
  readonly site: number;
}

const pick = <T>(draw: number, choices: readonly (readonly [T, number])[]): T => {
  let left = draw;
  for (const [choice, share] of choices) if ((left -= share) < 0) return choice;
  return choices[0]![0];
};

const WHO = [
  ['server', 0.45],
  ['site', 0.4],
  ['all', 0.15],
] as const;

/**
 * The kills of one crew, seeded: the first while it submits and enrols, the rest spread over its work. Kills follow the
 * work, not the clock: on a slow machine and on a fast one they hit the same stages. Fewer than `apart` moments lie
 * between two of them.
 */
export function planKills(seed: number, crew: number, count: number, apart = 36): readonly Kill[] {
  const draw = drawOf('kills', seed, crew);
  const kill = (index: number): Kill => {
    const first = index === 0;
    const at = pick<Kill['at']>(
      draw(),
      first
        ? [
            ['submit', 0.5],
            ['enrol', 0.5],
          ]
        : [
            ['any', 0.6],
            ['upload', 0.4],
          ],
    );
    // A crew submits at least 2 jobs, then 4 sites enrol: a later moment of these kinds may never come.
    const span = { submit: 2, enrol: 6 }[at as string] ?? apart;
    return {
      after: Math.floor(draw() * span),
      at,
      delayMS: pick(draw(), [
        [0, 0.2],
        [draw() * 5, 0.4],
        [draw() * 60, 0.4],
      ]),
      who: pick(draw(), WHO),
      site: draw(),
    };
  };
  return Array.from({ length: count }, (_, index) => kill(index));
}
