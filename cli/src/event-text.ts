import type { EventKind } from '../../core/protocol/event.ts';
import type { ServerEvent } from './events.ts';
import { plainLine } from './output.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Sums over examples as means: `accuracy 0.9712 (3000)`. */
const metricsText = (metrics: unknown): string =>
  typeof metrics !== 'object' || metrics === null
    ? ''
    : Object.entries(metrics as Record<string, { sum: number; count: number }>)
        .filter(([, { count }]) => count > 0)
        .map(([name, { sum, count }]) => `${name} ${(sum / count).toFixed(4)} (${count})`)
        .join(', ');

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** Fields as `name=value`, for rows whose shape is up to a workflow or a site. */
const pairs = (fields: Fields): string =>
  Object.entries(fields)
    .filter(([name, value]) => name !== 'time' && value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${shown(value)}`)
    .join(' ');

const join = (...parts: unknown[]): string =>
  parts.filter((part) => part !== undefined && part !== null && part !== '').join(' ');

const taskName = ({ workflow, round, name, data }: Fields): string => {
  const owner = (data as { owner?: unknown } | undefined)?.owner;
  return join(`${shown(workflow)} round ${Number(round) + 1}`, name, owner && `of ${shown(owner)}`);
};

const KINDS: Readonly<Record<EventKind, (fields: Fields) => string>> = {
  status: ({ status, reason }) => join(status, reason),
  round: (fields) =>
    fields['state'] === 'started'
      ? `${shown(fields['workflow'])} round ${Number(fields['round']) + 1}/${shown(fields['totalRounds'])}`
      : `round ${pairs(fields)}`,
  task: (fields) => {
    const { state, status, asked, replies, reason, metrics } = fields;
    const count =
      state === 'open'
        ? `${shown(asked)} asked`
        : replies !== undefined && `${shown(replies)} replies`;
    return join(`${taskName(fields)}:`, state, status, count || '', reason, metricsText(metrics));
  },
  reply: (fields) =>
    join(
      `${taskName(fields)}:`,
      fields['site'],
      fields['returnCode'],
      metricsText(fields['metrics']),
    ),
  metric: (fields) => `metric ${pairs(fields)}`,
  log: (fields) => `log ${pairs(fields)}`,
  gap: (fields) => `gap: older events are gone ${pairs(fields)}`,
};

/** A row of a job's event stream as a line for a person. */
export const eventText = (event: ServerEvent): string => plainLine(textOf(event));

const textOf = ({ event, data }: ServerEvent): string => {
  let fields: unknown;
  try {
    fields = JSON.parse(data);
  } catch {
    fields = null;
  }
  if (typeof fields !== 'object' || fields === null) return `${event} ${data}`;
  const known = Object.hasOwn(KINDS, event) ? KINDS[event as EventKind] : undefined;
  return known ? known(fields as Fields) : `${event} ${pairs(fields as Fields)}`;
};
