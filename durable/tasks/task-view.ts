import type { ModelRef } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Task } from '../../core/protocol/task.ts';
import { sentModel } from './task-rows.ts';
import type { BoardTask } from './task-rows.ts';

const modelView = (job: string, { digest, bytes }: ModelRef) => ({
  digest,
  bytes,
  url: `/v1/jobs/${job}/blobs/${digest}`,
});

/** A task as a site sees it: the same for all of its sites. */
export function wireTask(job: string, task: BoardTask): Task {
  const { id, workflow, request, params, deadline } = task;
  const model = sentModel(task);
  const path = `/v1/jobs/${job}/tasks/${id}`;
  const { results } = request;
  return {
    id,
    name: request.name,
    job,
    workflow,
    round: request.round,
    totalRounds: request.totalRounds,
    model: model && modelView(job, model),
    paramsType: params ?? (results.kind === 'metrics' ? 'ANY' : results.paramsType),
    data: request.data,
    deadline,
    lease: { seconds: LIMITS.leaseS, url: `${path}/lease` },
    resultUrl: `${path}/result`,
  };
}
