import type { Filter } from '../../core/filters/filter.ts';
import type { FieldError } from '../../core/protocol/fault.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Catalog } from './catalog.ts';

/** A filter of a spec, made: its place in it, and what admission must know of it. */
interface Placed {
  readonly path: string;
  readonly spec: JobSpec['filters'][number];
  readonly filter: Filter;
}

const WIRE = { in: 0, out: 2 };

/** In the order in which they work: at the site first, and at each party the ones of the wire outermost. */
const inOrder = (placed: readonly Placed[]): readonly Placed[] => {
  const party = { site: 0, server: 1 };
  const rank = ({ spec, filter: { wire } }: Placed): number =>
    3 * party[spec.at] + (wire ? WIRE[wire] : 1);
  return placed.toSorted((a, b) => rank(a) - rank(b));
};

/** Whether a filter is at work wherever these patterns of sites match, as far as can be told from the patterns. */
const covers = ({ spec: { sites } }: Placed, others: readonly string[]): boolean => {
  const mine = new Set(sites);
  return mine.has('@all') || mine.has('*') || others.every((pattern) => mine.has(pattern));
};

/** What keeps filters from working together, with the workflows' tasks and with the executors. */
export const filterErrors = (spec: JobSpec, catalog: Catalog): FieldError[] => {
  const placed = spec.filters.flatMap((one, i): Placed[] => {
    const made = catalog.filters.get(one.use)?.make(one.args);
    return made?.ok ? [{ path: `filters[${i}]`, spec: one, filter: made.value }] : [];
  });
  const tasks = spec.workflows.flatMap(({ id, use, args }) =>
    (catalog.workflows.get(use)?.tasks ?? []).map((task) => ({ id, use, args, task })),
  );
  return [
    ...tasks.flatMap((task) => typeErrors(spec, task, placed)),
    ...dataErrors(
      tasks.map(({ task }) => task),
      placed,
    ),
  ];
};

interface AskedTask {
  readonly id: string;
  readonly use: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly task: string;
}

/**
 * What a task's results may be before any filter: what `submit_model` hands in is always whole, what `train` does as the
 * workflow or its executors say; `validate` answers without tensors.
 */
const sentType = ({ executors }: JobSpec, { task, args }: AskedTask): ParamsType | undefined => {
  if (task === 'submit_model') return 'FULL';
  if (task !== 'train') return undefined;
  const { paramsType } = args;
  if (paramsType === 'DIFF' || paramsType === 'FULL') return paramsType;
  const trainers = executors.filter(({ tasks }) => matchesAny(tasks, task));
  return trainers.some(({ args: { transferType } }) => transferType !== 'DIFF') ? 'FULL' : 'DIFF';
};

/** Filters that take differences where whole parameters would come, and conversions to what the workflow doesn't take. */
const typeErrors = (spec: JobSpec, asked: AskedTask, placed: readonly Placed[]): FieldError[] => {
  const { id, use, args, task } = asked;
  const sent = sentType(spec, asked);
  if (!sent) return [];
  const wanted = task === 'submit_model' ? 'FULL' : args['paramsType'];
  const chain = inOrder(
    placed.filter(({ spec: one }) => one.on === 'result' && matchesAny(one.tasks, task)),
  );
  const conversions: Placed[] = [];
  const typeAt = (sites: readonly string[]): ParamsType => {
    const last = conversions.findLast((conversion) => covers(conversion, sites));
    if (!last) return sent;
    return last.spec.args['direction'] === 'weights_to_diff' ? 'DIFF' : 'FULL';
  };
  const errors: FieldError[] = [];
  for (const one of chain) {
    if (one.spec.use === 'convert-weights') conversions.push(one);
    if (one.filter.needs !== 'DIFF' || typeAt(one.spec.sites) === 'DIFF') continue;
    errors.push({
      path: `${one.path}.use`,
      expected:
        task === 'submit_model'
          ? `tasks without submit_model, whose answer to workflow ${id} is a whole model`
          : `DIFF updates: paramsType of workflow ${id}, or transferType of its executors`,
      got: `${one.spec.use} with whole parameters from ${use}`,
    });
  }
  const last = conversions.at(-1);
  if (!last || (wanted !== 'FULL' && wanted !== 'DIFF')) return errors;
  const got = typeAt(['@all']);
  if (got === wanted) return errors;
  const expected = `${wanted}, as workflow ${id} takes it from ${task}`;
  return [...errors, { path: `${last.path}.args.direction`, expected, got }];
};

/** Task data is filtered once for all sites, and what the server codes a site must decode. */
const dataErrors = (tasks: readonly string[], placed: readonly Placed[]): FieldError[] =>
  placed.flatMap((one): FieldError[] => {
    const { path, spec } = one;
    if (spec.at !== 'server' || spec.on !== 'data') return [];
    if (!covers(one, ['@all'])) {
      const expected = '@all: task data is filtered once for all sites';
      return [{ path: `${path}.sites`, expected, got: spec.sites.join(', ') }];
    }
    if (spec.use !== 'model-quantizer') return [];
    const decoded = (task: string): boolean =>
      placed.some(
        (other) =>
          other.spec.use === 'model-dequantizer' &&
          other.spec.at === 'site' &&
          other.spec.on === 'data' &&
          matchesAny(other.spec.tasks, task) &&
          covers(other, ['@all']),
      );
    const coded = tasks.find((task) => matchesAny(spec.tasks, task) && !decoded(task));
    if (coded === undefined) return [];
    const expected = `a model-dequantizer on data at the site, for ${coded}`;
    return [{ path: `${path}.use`, expected, got: 'none' }];
  });
