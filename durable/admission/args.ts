import type { GenericSchema } from 'valibot';
import type { FieldError } from '../../core/protocol/fault.ts';
import { checked } from '../../core/protocol/field-errors.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { shown } from '../../core/tensors/fault.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import type { Catalog } from './catalog.ts';

type Args = Record<string, unknown>;

/**
 * Checks every component that a spec names, and its args by the component's own schema, whose defaults it fills in.
 * A filter that drops tensors makes the workflows whose results it sees `partial`.
 */
export function completeArgs(
  spec: JobSpec,
  catalog: Catalog,
): Result<JobSpec, readonly FieldError[]> {
  const errors: FieldError[] = [];

  const named = <T>(known: ReadonlyMap<string, T>, name: string, path: string): T | undefined => {
    const found = known.get(name);
    if (found === undefined) {
      const expected = `one of ${[...known.keys()].join(', ')}`;
      errors.push({ path: `${path}.use`, expected, got: shown(name) });
    }
    return found;
  };
  const parsed = (schema: GenericSchema<unknown, unknown>, args: Args, path: string): Args => {
    const result = checked(schema, args, `${path}.args`);
    if (result.ok) return result.value as Args;
    errors.push(...result.error);
    return args;
  };

  const executors = spec.executors.map((executor, i) => {
    const path = `executors[${i}]`;
    const schema = named(catalog.executors, executor.use, path);
    return schema ? { ...executor, args: parsed(schema, executor.args, path) } : executor;
  });

  const dropping: (readonly string[])[] = [];
  spec.filters.forEach((filter, i) => {
    const path = `filters[${i}]`;
    const kind = named(catalog.filters, filter.use, path);
    if (!kind) return;
    const made = kind.make(filter.args);
    if (!made.ok) {
      for (const { path: at, expected, got } of made.error) {
        errors.push({
          path: `${path}.args${at === '' ? '' : `.${at}`}`,
          expected,
          got,
        });
      }
    }
    if (!kind.on[filter.at].includes(filter.on)) {
      const places = (['site', 'server'] as const).flatMap((at) =>
        kind.on[at].map((on) => `on ${on} at the ${at}`),
      );
      const expected = `${kind.name} ${places.join(', ')}`;
      errors.push({ path: `${path}.on`, expected, got: `on ${filter.on} at the ${filter.at}` });
    }
    if (kind.impliesPartial && filter.on === 'result') dropping.push(filter.tasks);
  });

  const workflows = spec.workflows.map((step, i) => {
    const path = `workflows[${i}]`;
    const workflow = named(catalog.workflows, step.use, path);
    if (!workflow) return step;
    const before = errors.length;
    const args = parsed(workflow.args, step.args, path);
    if (errors.length > before) return step;
    if (
      'partial' in args &&
      dropping.some((tasks) => workflow.tasks.some((task) => matchesAny(tasks, task)))
    ) {
      args['partial'] = true;
    }
    for (const name of workflow.aggregators(args)) {
      if (catalog.aggregators.has(name)) continue;
      const expected = `one of ${[...catalog.aggregators].join(', ')}`;
      errors.push({ path: `${path}.args.aggregator`, expected, got: shown(name) });
    }
    return { ...step, args };
  });

  return errors.length > 0 ? err(errors) : ok({ ...spec, executors, workflows });
}
