import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { Retry } from './connection.ts';
import type { Progress } from './assignment.ts';
import type { ProblemDetails } from './problem-error.ts';
import type { LogLevel } from './run.ts';
import type { Acknowledgement } from './upload.ts';

/** The task an event is about. */
export interface TaskInfo {
  readonly id: string;
  readonly name: string;
  readonly workflow: string;
  /** From 0. */
  readonly round: number;
  readonly totalRounds: number;
  /** Whose model it brings, for `validate`. */
  readonly owner?: string;
}

export const infoOf = ({ id, name, workflow, round, totalRounds, data }: Task): TaskInfo => ({
  id,
  name,
  workflow,
  round,
  totalRounds,
  ...(typeof data['owner'] === 'string' && { owner: data['owner'] }),
});

interface OfJob {
  readonly job: string;
}
interface OfTask extends OfJob {
  readonly task: TaskInfo;
}

/** What happens at a site, as it happens. */
export type SiteEvent =
  /** The site has a token. */
  | { readonly type: 'joined'; readonly site: string }
  | ({ readonly type: 'job'; readonly name: string } & OfJob)
  | ({ readonly type: 'job-ended'; readonly reason: string } & OfJob)
  | ({ readonly type: 'task' } & OfTask)
  | ({
      readonly type: 'received';
      readonly digest: string;
      readonly bytes: number;
      readonly cached: boolean;
    } & OfTask)
  | (Progress & OfTask)
  /** The task came to nothing; `error` stays here, the server gets the code. */
  | ({ readonly type: 'failed'; readonly returnCode: ReturnCode; readonly error: Error } & OfTask)
  /** A component or learner has something to say. */
  | ({
      readonly type: 'message';
      readonly level: LogLevel;
      /** The component's name. */
      readonly source: string;
      readonly text: string;
    } & OfJob)
  /** The server gave the task up. */
  | ({ readonly type: 'aborted'; readonly reason: string } & OfTask)
  | ({
      readonly type: 'submitted';
      /** `refused`: the server said a final no; see `problem`. */
      readonly status: Acknowledgement | 'refused';
      readonly returnCode: ReturnCode;
      readonly bytes: number;
      readonly problem?: ProblemDetails;
      /** Absent for a result left by an earlier life of this site. */
      readonly task?: TaskInfo;
      readonly taskId: string;
    } & OfJob)
  /** The site's storage is full: what must be kept waits for room, and is tried again. */
  | { readonly type: 'storage-full'; readonly waitMS: number; readonly cause: Error }
  /** The server can't be reached or asks for patience; the request will be sent again. */
  | ({ readonly type: 'retry' } & Retry);

export type OnEvent = (event: SiteEvent) => void;
