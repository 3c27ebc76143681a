/** What a body is of. */
export interface About {
  readonly job?: string | undefined;
  /** Absent: values for the job's metric log. */
  readonly task?: string | undefined;
  /** Filters that a result went through at this site, in order: `job:clip`, `site:gaussian`. */
  readonly filters?: readonly string[] | undefined;
}

/** A body that is about to leave. A repeated request is a sending of its own. */
export interface Sending extends About {
  readonly method: string;
  readonly url: string;
  readonly body: Blob | string;
  /** Content-Range, of a body that goes in parts. */
  readonly range?: string | undefined;
}

/** Waited for before each body leaves. Where it rejects nothing is sent, and the request is not tried again. */
export type OnSend = (sending: Sending) => Promise<void>;
