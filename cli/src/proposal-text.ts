import type { ApprovalRequest } from '../../client-kit/src/policy/approval.ts';
import { readModel } from '../../core/onnx/index.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { sizeOf } from '../../core/tensors/tensor.ts';
import { bytesText, plainLine } from './output.ts';

type Program = JobSpec['programs'][string];
type ExecutorSpec = JobSpec['executors'][number];

/** What a job means for whoever owns the data: who asks, what is computed, what leaves, how often. Lines. */
export const proposalText = async (
  job: ApprovalRequest,
  required: readonly string[],
): Promise<string> => {
  const { spec, server, id, site } = job;
  const here = spec.executors.filter(({ sites }) => matchesAny(sites, site));
  const programs = await Promise.all(
    Object.entries(spec.programs).map(([name, program]) => computed(job, name, program)),
  );
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['asked by', [`the administrator of ${server}`]],
    ['rounds', spec.workflows.map(roundsOf)],
    ['done here', [...here.map(doneBy), ...programs.flat()]],
    ['your data', [dataOf(spec), 'is read on this machine and never sent']],
    ['sent', here.flatMap((executor) => sentBy(executor, spec))],
    ['filters', filtersOf(spec, site, required)],
  ];
  const lines = sections.flatMap(([title, texts]) =>
    texts.map((text, i) => `  ${(i === 0 ? title : '').padEnd(10)} ${text}`),
  );
  return [`job ${id}: ${spec.name}`, ...lines].map(plainLine).join('\n');
};

/** Arguments as `name value`, without the braces. */
const argsText = (args: Readonly<Record<string, unknown>>): string =>
  Object.entries(args)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');

const roundsOf = ({ id, use, args }: JobSpec['workflows'][number]): string => {
  const { rounds, ...rest } = args;
  const count = rounds === undefined ? '' : `, ${JSON.stringify(rounds)} rounds`;
  const more = argsText(rest);
  return `${id}: ${use}${count}${more === '' ? '' : ` (${more})`}`;
};

/** What an executor is, in plain words. */
const EXECUTOR_WORDS: Readonly<Record<string, string>> = {
  onnx: 'ONNX graphs of the job, run on your data; a graph can open no file and no connection',
  add: 'a number added to the model; your data is not read',
  app: 'your own code',
  'task-exchanger': 'your own training system, behind its agent',
};

const doneBy = ({ tasks, use, args }: ExecutorSpec): string => {
  const what = Object.hasOwn(EXECUTOR_WORDS, use)
    ? EXECUTOR_WORDS[use]
    : 'an executor of this site';
  const with_ = argsText(args);
  return `${tasks.join(', ')}: ${use}, ${what}${with_ === '' ? '' : ` (${with_})`}`;
};

const computed = async (
  { blob }: ApprovalRequest,
  name: string,
  { blob: digest, manifest }: Program,
): Promise<string[]> => {
  const graph = readModel(await blob(digest));
  const counts = new Map<string, number>();
  for (const { opType } of graph.ok ? graph.value.nodes : []) {
    counts.set(opType, (counts.get(opType) ?? 0) + 1);
  }
  const ops = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([op, n]) => (n > 1 ? `${op} x${n}` : op));
  const optimizer = manifest.optimizer ? `, optimizer ${manifest.optimizer.name}` : '';
  return [
    `program ${name}: ${digest}`,
    `  ${graph.ok ? ops.join(', ') : 'its operators can not be read here'}${optimizer}`,
  ];
};

const dataOf = ({ data }: JobSpec): string => {
  if (!data) return 'the job does not say what examples it needs';
  const classes = data.y ? `, of ${data.y.classes} classes` : '';
  return `examples of shape [${data.x.shape.join(', ')}] ${data.x.dtype}${classes}`;
};

const sentBy = ({ tasks, args, use }: ExecutorSpec, spec: JobSpec): string[] => {
  const lines: string[] = [];
  const says = (task: string, text: string): void => {
    if (matchesAny(tasks, task)) lines.push(text);
  };
  const kind =
    args['transferType'] === 'DIFF' ? 'what training changed in' : 'the trained values of';
  const metrics = spec.programs['evaluate']?.manifest.metrics.map((metric) => metric.name) ?? [];
  const named = metrics.length > 0 ? ` (${metrics.join(', ')})` : '';
  says(
    'train',
    `train, each round: ${kind} ${modelText(spec)}; sums of metrics${named}; counts of steps and examples`,
  );
  says('validate', `validate: sums of metrics${named}, count of examples`);
  says('submit_model', `submit_model: the model that was trained here last, ${modelText(spec)}`);
  const known = ['train', 'validate', 'submit_model'];
  const others = tasks.filter((glob) => !matchesAny([glob], 'train') && !known.includes(glob));
  if (others.length > 0) lines.push(`${others.join(', ')}: whatever ${use} gives`);
  return lines;
};

const modelText = ({ programs }: JobSpec): string => {
  const travelling = programs['train']?.manifest.parameters.filter(({ role }) => role !== 'frozen');
  if (!travelling) return 'the model';
  const numbers = travelling.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return `${travelling.length} tensors, ${numbers} numbers (about ${bytesText(4 * numbers)})`;
};

const filtersOf = (
  { filters }: JobSpec,
  site: string,
  required: readonly string[],
): readonly string[] => {
  const ofJob = filters
    .filter((filter) => filter.at === 'site' && matchesAny(filter.sites, site))
    .map(
      ({ use, args, on, tasks }) =>
        `${use} (${argsText(args)}) on the ${on} of ${tasks.join(', ')}`,
    );
  if (ofJob.length + required.length === 0) {
    return ['none: whoever runs the server can read the update as it is'];
  }
  return [
    ...ofJob.map((text) => `the job's: ${text}`),
    ...required.map((text) => `yours: ${text}`),
  ];
};
