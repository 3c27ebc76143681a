import type { SiteEvent, TaskInfo } from '../../client-kit/src/event.ts';
import { failureOf } from './exit-code.ts';
import { bytesText } from './output.ts';

const taskText = ({ name, workflow, round, totalRounds, owner }: TaskInfo): string =>
  `${workflow} round ${round + 1}/${totalRounds} ${name}${owner ? ` of ${owner}` : ''}`;

/** What happens at a site, as a line for its log; empty for what would be too many. */
export const siteLine = (event: SiteEvent): string => {
  switch (event.type) {
    case 'joined':
      return `site ${event.site} is waiting for jobs`;
    case 'job':
      return `job ${event.job}: ${event.name}`;
    case 'job-ended':
      return `job ${event.job} ended: ${event.reason}`;
    case 'task':
      return taskText(event.task);
    case 'received':
      return `  model ${bytesText(event.bytes)}${event.cached ? ', from the cache' : ''}`;
    case 'step':
      return event.step === event.steps
        ? `  ${event.steps} steps, loss ${event.loss.toFixed(4)}`
        : '';
    case 'evaluated': {
      const metrics = Object.entries(event.metrics).map(
        ([name, { sum, count }]) => `${name} ${(sum / count).toFixed(4)}`,
      );
      return `  ${event.model} model on ${event.examples} validation examples: ${metrics.join(', ')}`;
    }
    case 'failed':
      return `  failed: ${event.returnCode}: ${event.error.message}`;
    case 'message':
      return `  ${event.level} ${event.source}: ${event.text}`;
    case 'aborted':
      return `  given up: ${event.reason}`;
    case 'submitted':
      return `  result ${event.status}, ${bytesText(event.bytes)}`;
    case 'storage-full':
    case 'retry':
      break;
  }
  return `  ${failureOf(event.cause).message}; again in ${(event.waitMS / 1000).toFixed(1)} s`;
};
