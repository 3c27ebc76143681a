import type { SiteEvent, TaskInfo } from '../../../client-kit/src/index.ts';
import { bytesText } from '../dom.ts';

/** A line of what went over the wire. */
export interface Entry {
  readonly time: number;
  readonly what: string;
  readonly bytes: number;
}

/** What a person is shown of the site's doings. */
export interface Progress {
  /** Said aloud by a screen reader at each change: milestones only. */
  readonly status: string;
  /** Why the last task came to nothing, until one comes to something. */
  readonly trouble: string | null;
  readonly job: string | null;
  readonly step: { readonly step: number; readonly steps: number; readonly loss: number } | null;
  readonly sent: number;
  readonly up: number;
  readonly down: number;
  readonly log: readonly Entry[];
}

export const BEGUN: Progress = {
  status: 'Connecting…',
  trouble: null,
  job: null,
  step: null,
  sent: 0,
  up: 0,
  down: 0,
  log: [],
};

const LOGGED = 200;

const roundOf = ({ round, totalRounds }: TaskInfo): string =>
  totalRounds > 0 ? `round ${round + 1} of ${totalRounds}` : `round ${round + 1}`;

const modelOf = (owner: string | undefined): string => {
  if (owner === undefined || owner === 'global') return 'the common model';
  return owner === 'best' ? 'the best common model' : `the model of ${owner}`;
};

const DOING: Readonly<Record<string, (task: TaskInfo) => string>> = {
  train: (task) => `Training, ${roundOf(task)}`,
  validate: ({ owner }) => `Measuring ${modelOf(owner)} on this device's data`,
  submit_model: () => 'Handing in the model that was trained here',
};

const doing = (task: TaskInfo): string =>
  Object.hasOwn(DOING, task.name) ? (DOING[task.name]?.(task) ?? '') : `Working on ${task.name}`;

const SENT: Readonly<Record<string, string>> = {
  train: 'Change to the model',
  validate: 'Measurements',
  submit_model: 'Model trained here',
};

/** The innermost reason of a failure: what its reader can act on. */
const reasonOf = (error: Error): string =>
  error.cause instanceof Error ? reasonOf(error.cause) : error.message;

const logged = (progress: Progress, time: number, what: string, bytes: number): Progress => ({
  ...progress,
  log: [{ time, what, bytes }, ...progress.log].slice(0, LOGGED),
});

type Change<K extends SiteEvent['type']> = (
  progress: Progress,
  event: Extract<SiteEvent, { readonly type: K }>,
  now: number,
) => Progress;

/** What each kind of event changes; the others change nothing that is shown. */
const CHANGES: { readonly [K in SiteEvent['type']]?: Change<K> } = {
  joined: (progress, { site }) => ({
    ...progress,
    status: `Connected as ${site}; waiting for work`,
  }),
  job: (progress, { name }) => ({
    ...progress,
    job: name,
    status: `In the job “${name}”; waiting for work`,
  }),
  task: (progress, { task }) => ({ ...progress, status: doing(task), step: null }),
  received: (progress, { bytes, cached, task }, now) => {
    if (cached) return progress;
    const seen = { ...progress, down: progress.down + bytes };
    return logged(seen, now, `Received: model, ${roundOf(task)}`, bytes);
  },
  step: (progress, event) => ({ ...progress, step: event }),
  failed: (progress, { error }) => ({
    ...progress,
    step: null,
    status: 'Could not do that; waiting for more',
    trouble: reasonOf(error),
  }),
  aborted: (progress) => ({
    ...progress,
    step: null,
    status: 'The server no longer needs this; waiting for work',
  }),
  submitted: (progress, { status, bytes, returnCode, task }, now) => {
    const what = task ? (SENT[task.name] ?? `Result of ${task.name}`) : 'Result kept from before';
    const counted = status === 'accepted' && returnCode === 'OK';
    const sent = {
      ...progress,
      step: null,
      sent: progress.sent + (counted ? 1 : 0),
      up: progress.up + bytes,
      ...(counted && { status: `Sent (${bytesText(bytes)}); waiting for more`, trouble: null }),
    };
    const about = counted ? what : `${what} (${status}, ${returnCode})`;
    return logged(sent, now, `Sent: ${about}`, bytes);
  },
  'storage-full': (progress) => ({
    ...progress,
    status: 'This browser has no storage left; waiting for room',
  }),
  retry: (progress) => ({ ...progress, status: 'The server can not be reached; trying again' }),
  'job-ended': (progress) => ({
    ...progress,
    job: null,
    step: null,
    status: progress.trouble
      ? 'The job has ended; waiting for another'
      : 'The job has ended. Thank you! Waiting for another',
  }),
};

/** What becomes of the progress with an event of the site's. */
export const after = (progress: Progress, event: SiteEvent, now: number): Progress => {
  // Each kind's change takes that kind.
  const change = CHANGES[event.type] as Change<typeof event.type> | undefined;
  return change ? change(progress, event, now) : progress;
};
