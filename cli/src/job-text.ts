import type { JobView } from '../../core/protocol/job-status.ts';
import { bytesText, plainLine, table, timeText } from './output.ts';

/** One line: status, and where in its workflows the job is. */
export const jobLine = ({
  status,
  reason,
  workflow,
  round,
  totalRounds,
  task,
  metrics,
}: JobView): string => {
  const parts: string[] = [status];
  if (workflow) parts.push(`${workflow.id} (${workflow.index + 1} of ${workflow.count})`);
  if (round !== null && totalRounds !== null)
    parts.push(`round ${Math.min(round + 1, totalRounds)}/${totalRounds}`);
  if (task) parts.push(`${task.name} ${task.received}/${task.needed}`);
  for (const [name, value] of Object.entries(metrics)) parts.push(`${name} ${value.toFixed(4)}`);
  if (reason) parts.push(reason);
  return plainLine(parts.join('  '));
};

/** A job as `job show` prints it. */
export const jobText = (view: JobView): string => {
  const { id, name, sites, models, results, times } = view;
  const block = (text: string): string[] => ['', text];
  return [
    `${id}  ${name}`,
    jobLine(view),
    `submitted ${timeText(times.submitted)}  started ${timeText(times.started)}  finished ${timeText(times.finished)}`,
    ...(sites.length > 0
      ? block(
          table(
            ['SITE', 'STATE', 'LAST SEEN', 'CODE'],
            sites.map((site) => [
              site.name,
              site.state,
              timeText(site.lastSeen),
              site.returnCode ?? '',
            ]),
          ),
        )
      : block(`no sites yet; ${view.minSites} needed`)),
    ...(Object.keys(models).length > 0
      ? block(
          table(
            ['MODEL', 'SIZE', 'DIGEST'],
            Object.entries(models).map(([key, ref]) => [key, bytesText(ref.bytes), ref.digest]),
          ),
        )
      : []),
    ...Object.entries(results).flatMap(([key, value]) =>
      block(`${key}: ${JSON.stringify(value, null, 2)}`),
    ),
  ].join('\n');
};
