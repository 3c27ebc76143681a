import type { JobView } from '../../core/protocol/job-status.ts';
import type { Engine } from './engine.ts';
import type { AssignmentRow } from '../tasks/assignments.ts';
import type { SiteRow } from '../state/sites.ts';

type SiteView = JobView['sites'][number];

/** What a site is doing, by its part in the newest task. */
function stateOf(
  { status }: SiteRow,
  part: AssignmentRow | undefined,
  failed: boolean,
): SiteView['state'] {
  if (status === 'revoked') return 'revoked';
  switch (part?.state) {
    case 'working':
      return 'working';
    case 'replied':
      return failed ? 'failed' : 'replied';
    case 'lost':
    case 'gone':
      return 'lost';
    case 'waiting':
    case undefined:
      break;
  }
  return 'joined';
}

/** The job as GET /v1/jobs/:id shows it. Call it in a turn, so that it is of one moment. */
export function jobView({
  record,
  tasks,
  assignments,
  replies,
  sites,
  models,
  outcomes,
}: Engine): JobView {
  const job = record.read();
  const spec = record.spec();
  const open = tasks.current();
  const parts = new Map(open ? assignments.of(open.n).map((row) => [row.site, row]) : []);
  const codes = new Map(open ? replies.errors(open.n).map(({ site, code }) => [site, code]) : []);
  const use = spec.workflows[job.position];
  const running = open && (open.state === 'open' || open.state === 'folding') ? open : null;
  return {
    id: job.id,
    name: job.name,
    status: job.status,
    reason: job.reason,
    version: job.version,
    workflow: use
      ? { id: use.id, use: use.use, index: job.position, count: spec.workflows.length }
      : null,
    round: job.round,
    totalRounds: job.rounds,
    task: running && {
      id: running.id,
      name: running.request.name,
      assigned: parts.size,
      received: [...parts.values()].filter(({ state }) => state === 'replied').length,
      needed: running.request.min ?? parts.size,
      deadline: running.deadline,
    },
    minSites: spec.minSites,
    sites: sites.all().map((site): SiteView => {
      const code = codes.get(site.name);
      return {
        name: site.name,
        state: stateOf(site, parts.get(site.name), code !== undefined),
        lastSeen: site.seen,
        ...(code !== undefined && { returnCode: code }),
      };
    }),
    metrics: JSON.parse(job.metrics) as JobView['metrics'],
    models: models.names(),
    results: outcomes.all(),
    clonedFrom: job.cloned,
    times: { submitted: job.submitted, started: job.started, finished: job.finished },
  };
}
