import type { GenericSchema } from 'valibot';
import { aggregatorNames } from '../../core/aggregators/registry.ts';
import type { DefinedFilter } from '../../core/filters/define.ts';
import { filterNames, findFilter } from '../../core/filters/registry.ts';
import { EXECUTORS } from '../../core/protocol/executors.ts';
import { WORKFLOWS } from '../../core/workflows/registry.ts';
import type { Workflow } from '../../core/workflows/workflow.ts';

/** Components that a spec may name. */
export interface Catalog {
  readonly workflows: ReadonlyMap<string, Workflow>;
  readonly aggregators: ReadonlySet<string>;
  readonly filters: ReadonlyMap<string, DefinedFilter>;
  /** Schemas of the executors' args. */
  readonly executors: ReadonlyMap<string, GenericSchema<unknown, unknown>>;
}

/** All that this server has. */
export const CATALOG: Catalog = {
  workflows: new Map(Object.entries(WORKFLOWS)),
  aggregators: new Set(aggregatorNames),
  filters: new Map(
    filterNames.flatMap((name) => {
      const filter = findFilter(name);
      return filter ? [[name, filter] as const] : [];
    }),
  ),
  executors: new Map(Object.entries(EXECUTORS)),
};
