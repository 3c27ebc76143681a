import type { Filter } from '../../../core/filters/filter.ts';
import { findFilter } from '../../../core/filters/registry.ts';
import type { FieldError } from '../../../core/protocol/fault.ts';
import { matchesAny } from '../../../core/protocol/glob.ts';
import type { Task } from '../../../core/protocol/task.ts';
import { TaskError } from '../task-error.ts';
import { DailyBytes } from './daily-bytes.ts';
import { readPolicy } from './document.ts';
import type { PolicyDocument, PolicyInput } from './document.ts';
import type { Policy, ProposedJob } from './policy.ts';

type Limits = PolicyDocument['limits'];

/**
 * The policy that a document states; `now` is for tests. Throws PolicyError with each field at fault. Refusals: a job that
 * no rule allows, or that asks for more epochs or steps: UNSAFE_JOB; `submit_model`: TASK_UNSUPPORTED; a model that is too
 * large: TASK_DATA_FILTER_ERROR; a result that is too large, or too much for one day, or that no required filter can take:
 * TASK_RESULT_FILTER_ERROR.
 */
export const sitePolicy = (document: PolicyInput, now: () => number = Date.now): Policy => {
  const read = readPolicy(document);
  const { jobs, limits, filters: rules, submit_model } = read;
  const required = rules.map((rule) => ({ ...rule, filter: filterOf(rule) }));
  const today =
    limits.bytesPerDay === undefined ? undefined : new DailyBytes(limits.bytesPerDay, now);

  const filters: Policy['filters'] = (on, { name }) =>
    required.filter((r) => r.on === on && matchesAny(r.tasks, name)).map(({ filter }) => filter);

  return {
    id: JSON.stringify(read),
    filters,
    limits: { steps: limits.steps, seconds: limits.seconds },

    admitJob(job) {
      admitJob(jobs, job);
      admitWork(limits, job);
    },

    async admit(task, store) {
      if (task.name === 'submit_model' && submit_model === 'deny') {
        throw new TaskError('TASK_UNSUPPORTED', "the site's policy keeps its models here");
      }
      admitModels(limits, task);
      const whole = required.find(
        (r) => r.on === 'result' && r.filter.needs === 'DIFF' && matchesAny(r.tasks, task.name),
      );
      if (whole && task.paramsType === 'FULL') {
        const why = `the site's policy requires ${whole.use}, which takes DIFF; the task wants FULL`;
        throw new TaskError('TASK_RESULT_FILTER_ERROR', why);
      }
      if (today && (await today.take(0, store)).left <= 0) throw spent(limits);
    },

    async release(bytes, store) {
      const { bytesPerTask } = limits;
      if (bytesPerTask !== undefined && bytes > bytesPerTask) {
        const why = `the result takes ${bytes} bytes; the site's policy lets ${bytesPerTask} go`;
        throw new TaskError('TASK_RESULT_FILTER_ERROR', why);
      }
      if (today && !(await today.take(bytes, store)).taken) throw spent(limits);
    },

    async beforeSend({ job, task, body }, store) {
      // Results were counted when they were made; enrolling is not of a job.
      if (!today || job === undefined || task !== undefined) return;
      const bytes = new Blob([body]).size;
      if (!(await today.take(bytes, store)).taken) throw spent(limits);
    },
  };
};

const filterOf = ({ use, args }: PolicyDocument['filters'][number]): Filter => {
  const made = findFilter(use)?.make(args);
  if (!made?.ok) throw new Error(`the policy was read, but '${use}' can't be made`);
  return made.value;
};

const spent = ({ bytesPerDay }: Limits): TaskError =>
  new TaskError(
    'TASK_RESULT_FILTER_ERROR',
    `the site's policy lets ${bytesPerDay} bytes go a day (UTC), and today's are spent`,
  );

const unsafe = (why: string, errors: readonly FieldError[] = []): TaskError =>
  new TaskError('UNSAFE_JOB', why, errors);

/** One rule must fit the job whole; where none does, the reason is the first named rule's. */
const admitJob = (rules: PolicyDocument['jobs'], job: ProposedJob): void => {
  const named = rules.filter(({ names }) => matchesAny(names, job.spec.name));
  const [first] = named;
  if (!first) throw unsafe(`the site's policy allows no job of the name '${job.spec.name}'`);
  const reasons = named.map((rule) => reasonAgainst(rule, job));
  const [reason] = reasons;
  if (reason !== undefined && reasons.every((each) => each !== undefined)) throw unsafe(reason);
};

const reasonAgainst = (
  { servers, programs, executors }: PolicyDocument['jobs'][number],
  { spec, site, server }: ProposedJob,
): string | undefined => {
  if (servers && !servers.includes(server)) return `the site's policy allows no job of ${server}`;
  const program = Object.entries(spec.programs).find(
    ([, { blob }]) => programs && !programs.includes(blob),
  );
  if (program) {
    const [name, { blob }] = program;
    return `the program '${name}' (${blob}) is not among those that the site's policy allows`;
  }
  const executor = spec.executors.find(
    ({ use, sites }) => executors && matchesAny(sites, site) && !matchesAny(executors, use),
  );
  return executor && `the site's policy allows no executor '${executor.use}'`;
};

/** What the job asks this site's executors for. */
const admitWork = (limits: Limits, { spec, site }: ProposedJob): void => {
  const errors = spec.executors.flatMap(({ sites, args }, i): readonly FieldError[] =>
    matchesAny(sites, site)
      ? (['epochs', 'steps'] as const).flatMap((field) => {
          const [asked, most] = [args[field], limits[field]];
          if (most === undefined || typeof asked !== 'number' || asked <= most) return [];
          const path = `executors[${i}].args.${field}`;
          return [{ path, expected: `at most ${most}`, got: String(asked) }];
        })
      : [],
  );
  if (errors.length === 0) return;
  const what = errors.map(({ path, expected, got }) => `${path} is ${got}, ${expected}`);
  throw unsafe(`more than the site's policy allows: ${what.join('; ')}`, errors);
};

const admitModels = ({ modelBytes }: Limits, { model, models = {} }: Task): void => {
  if (modelBytes === undefined) return;
  for (const one of [model, ...Object.values(models)]) {
    if (!one || one.bytes <= modelBytes) continue;
    const why = `the model takes ${one.bytes} bytes; the site's policy takes ${modelBytes}`;
    throw new TaskError('TASK_DATA_FILTER_ERROR', why);
  }
};
