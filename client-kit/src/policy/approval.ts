import { orAborted } from '../turnstile.ts';
import { readJson, writeJson } from '../store.ts';
import type { Store } from '../store.ts';
import { TaskError } from '../task-error.ts';
import type { Policy, ProposedJob } from './policy.ts';

/** A job that waits for its site's owner. */
export interface ApprovalRequest extends ProposedJob {
  /** A program or model that the spec names. */
  readonly blob: (digest: string) => Promise<Uint8Array<ArrayBuffer>>;
}

/** Asks whoever owns the data about a job, before anything of it is worked on. */
export type Approve = (job: ApprovalRequest, signal: AbortSignal) => Promise<boolean>;

/** Where the answer lies in the job's storage. */
const KEY = 'approval';

interface Answer {
  readonly approved: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Who decides for a site. */
interface Deciders {
  readonly policy: Policy | undefined;
  readonly approve: Approve | undefined;
}

/**
 * What a job's tasks are to be answered with, where the policy or the owner said no; undefined where the job may be done.
 * Waits for the owner's answer, which is asked for once and kept with the job's things. Rejects with the signal's reason.
 */
export const refusalOf = async (
  { policy, approve }: Deciders,
  job: ApprovalRequest,
  own: Store,
  signal: AbortSignal,
): Promise<TaskError | undefined> => {
  try {
    policy?.admitJob?.(job);
  } catch (error) {
    if (error instanceof TaskError) return error;
    throw error;
  }
  if (!approve) return undefined;
  let answer = await readJson<Answer>(own, KEY);
  if (!answer) {
    answer = { approved: await orAborted(approve(job, signal), signal), at: Date.now() };
    await writeJson(own, KEY, answer);
  }
  if (answer.approved) return undefined;
  return new TaskError('UNSAFE_JOB', 'the owner of the data did not approve this job');
};
