import { refuse } from './fault.ts';
import { globMatches } from './glob.ts';
import type { Graph } from './graph.ts';
import type { Adapter } from './lora/adapter.ts';

/** What becomes of each float weight of a model. Those in no set are frozen, and come with the other parameters. */
export interface Roles {
  /** To be learned, where the loss depends on them. */
  readonly trainable: ReadonlySet<string>;
  /** Running statistics that each step updates. */
  readonly buffers: ReadonlySet<string>;
  /** Frozen, and written into the programs. */
  readonly inside: ReadonlySet<string>;
}

export interface RoleOptions {
  /** Globs of the parameters to learn; the others are frozen. Default: every float32 initializer behind the loss. */
  readonly trainable?: readonly string[];
  /**
   * Globs of BatchNormalization's running statistics. Where one fits, the layer trains with its batch's statistics and
   * updates the running ones; elsewhere it uses the running ones, unchanged. Default: all, or none with `lora`.
   */
  readonly buffers?: readonly string[];
  /** Whether frozen weights come with the parameters or stand inside the programs. Default `input`; `inside` with `lora`. */
  readonly frozen?: 'input' | 'inside';
}

/** Refuses globs that fit nothing, and weights that can't be learned. `statistics`: see {@link statisticsOf}. */
export const rolesOf = (
  { initializers }: Graph,
  statistics: ReadonlySet<string>,
  { trainable, buffers, frozen = 'input' }: RoleOptions,
): Roles => {
  const names = [...initializers.keys()];
  const weights = names.filter((name) => !statistics.has(name));
  const chosen = fitting('trainable', trainable, weights);
  const other = chosen.find((name) => initializers.get(name)?.dtype !== 'F32');
  if (trainable !== undefined && other !== undefined) {
    refuse({
      reason: 'bad_option',
      option: 'trainable',
      detail: `${other} is ${initializers.get(other)?.dtype}; only F32 is trained`,
    });
  }
  const learned = new Set(chosen.filter((name) => initializers.get(name)?.dtype === 'F32'));
  const updated = new Set(fitting('buffers', buffers, [...statistics]));
  const kept = names.filter((name) => !learned.has(name) && !updated.has(name));
  return {
    trainable: learned,
    buffers: updated,
    inside: new Set(frozen === 'inside' ? kept : []),
  };
};

/** The same, with the factors of adapters to be learned. Refuses to learn a weight and its adapter at once. */
export const withAdapters = (roles: Roles, adapters: readonly Adapter[]): Roles => {
  const both = adapters.find(({ spec }) => roles.trainable.has(spec.weight));
  if (both !== undefined) {
    const detail = `${both.spec.weight} has an adapter, so it stays as it is`;
    refuse({ reason: 'bad_option', option: 'trainable', detail });
  }
  const factors = adapters.flatMap(({ spec }) => [spec.a, spec.b]);
  return { ...roles, trainable: new Set([...roles.trainable, ...factors]) };
};

const fitting = (
  option: string,
  globs: readonly string[] | undefined,
  names: readonly string[],
): readonly string[] => {
  for (const glob of globs ?? []) {
    if (names.some((name) => globMatches(glob, name))) continue;
    refuse({
      reason: 'bad_option',
      option,
      detail: `${glob} fits none of ${names.join(', ') || 'no names'}`,
    });
  }
  return names.filter(
    (name) => globs === undefined || globs.some((glob) => globMatches(glob, name)),
  );
};
