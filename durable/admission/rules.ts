import type { FieldError } from '../../core/protocol/fault.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Catalog } from './catalog.ts';
import { filterErrors } from './filter-rules.ts';

const isGlob = (pattern: string): boolean => pattern === '@all' || /[*?]/.test(pattern);

/** What keeps the parts of a spec, each good by itself, from working together. */
export const ruleErrors = (spec: JobSpec, catalog: Catalog): readonly FieldError[] => [
  ...workflowErrors(spec, catalog),
  ...siteErrors(spec),
  ...crewErrors(spec),
  ...filterErrors(spec, catalog),
  ...contractErrors(spec),
];

function workflowErrors(spec: JobSpec, catalog: Catalog): FieldError[] {
  const errors: FieldError[] = [];
  const ids = new Set<string>();
  spec.workflows.forEach(({ id, use }, i) => {
    const path = `workflows[${i}]`;
    if (ids.has(id)) errors.push({ path: `${path}.id`, expected: 'an id of its own', got: id });
    ids.add(id);
    const workflow = catalog.workflows.get(use);
    if (workflow?.needsModel && spec.model === undefined) {
      errors.push({ path: 'model', expected: `a model, for ${use}`, got: 'none' });
    }
    for (const task of workflow?.tasks ?? []) {
      const executor = spec.executors.find(({ tasks }) => matchesAny(tasks, task));
      if (!executor) {
        errors.push({ path: 'executors', expected: `an executor for ${task}`, got: 'none' });
      }
    }
  });
  return unique(errors);
}

/** A job that no set of sites could ever start. */
function siteErrors({ minSites, mandatorySites, deploy }: JobSpec): FieldError[] {
  const errors: FieldError[] = [];
  mandatorySites.forEach((site, i) => {
    const path = `mandatorySites[${i}]`;
    if (mandatorySites.indexOf(site) < i) {
      errors.push({ path, expected: 'each site once', got: site });
    }
    if (!matchesAny(deploy, site)) {
      errors.push({ path, expected: 'a site that deploy covers', got: site });
    }
  });
  const named = new Set(deploy);
  if (!deploy.some(isGlob) && minSites > named.size) {
    const expected = `at most ${named.size}, the sites in deploy`;
    errors.push({ path: 'minSites', expected, got: `${minSites}` });
  }
  return errors;
}

/** Workflows that ask for more sites than deploy lets in, or for others. */
function crewErrors({ workflows, deploy }: JobSpec): FieldError[] {
  const most = deploy.some(isGlob) ? Infinity : new Set(deploy).size;
  return workflows.flatMap(({ args }, i): FieldError[] => {
    const errors: FieldError[] = [];
    const { minResponses, order } = args;
    if (typeof minResponses === 'number' && minResponses > most) {
      const path = `workflows[${i}].args.minResponses`;
      const expected = `at most ${most}, the sites in deploy`;
      errors.push({ path, expected, got: `${minResponses}` });
    }
    if (!Array.isArray(order)) return errors;
    (order as readonly string[]).forEach((site, k) => {
      if (matchesAny(deploy, site)) return;
      const path = `workflows[${i}].args.order[${k}]`;
      errors.push({ path, expected: 'a site that deploy covers', got: site });
    });
    return errors;
  });
}

/** The data contract against the inputs of the programs; a manifest's dimension that is a name fits anything. */
function contractErrors({ data, programs }: JobSpec): FieldError[] {
  if (!data) return [];
  return Object.entries(programs).flatMap(([name, { manifest }]): FieldError[] => {
    const errors: FieldError[] = [];
    const { x } = manifest.inputs;
    const example = x.shape.slice(manifest.loop ? 2 : 1);
    const fits =
      example.length === data.x.shape.length &&
      example.every((d, i) => typeof d === 'string' || d === data.x.shape[i]);
    const expected = `what program ${name} takes`;
    if (!fits) {
      const path = 'data.x.shape';
      const want = `${expected}: [${example.join(', ')}]`;
      errors.push({ path, expected: want, got: `[${data.x.shape.join(', ')}]` });
    }
    if (x.dtype !== data.x.dtype) {
      errors.push({ path: 'data.x.dtype', expected: `${expected}: ${x.dtype}`, got: data.x.dtype });
    }
    return errors;
  });
}

const unique = (errors: readonly FieldError[]): FieldError[] => [
  ...new Map(errors.map((error) => [`${error.path} ${error.expected}`, error])).values(),
];
