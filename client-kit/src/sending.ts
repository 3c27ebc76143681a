/** A body that is about to leave. A repeated request is a sending of its own. */
export interface Sending {
  readonly method: string;
  readonly url: string;
  readonly body: Blob | string;
  /** Content-Range, of a body that goes in parts. */
  readonly range?: string | undefined;
  /** What it is of, by its address; an enrolment is of no job. */
  readonly job?: string | undefined;
  readonly task?: string | undefined;
  /** Filters that a result went through at this site, in order: `job:clip`, `site:gaussian`. */
  readonly filters?: readonly string[] | undefined;
}

/** Waited for before each body leaves. Where it rejects nothing is sent, and the request is not tried again. */
export type OnSend = (sending: Sending) => Promise<void>;

/** The job and the task that an address of the server is about. */
export const subjectOf = (url: string): Pick<Sending, 'job' | 'task'> => {
  const [, job, task] = /\/v1\/jobs\/([^/?]+)(?:\/tasks\/([^/?]+))?/.exec(url) ?? [];
  return {
    ...(job !== undefined && { job: decodeURIComponent(job) }),
    ...(task !== undefined && { task: decodeURIComponent(task) }),
  };
};
