/** Kinds of row in a job's event stream (GET /v1/jobs/:id/events). `gap`: older rows than the reader asked for are gone. */
export const EVENT_KINDS = ['status', 'round', 'task', 'reply', 'metric', 'log', 'gap'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
