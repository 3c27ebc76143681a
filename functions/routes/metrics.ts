import { jobOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';
import { pageOf } from '../page.ts';
import { Refusal } from '../problem.ts';

/** A metrics cursor is the last entry's number. */
function after(cursor: string | undefined): { after?: number } {
  if (cursor === undefined) return {};
  if (/^\d{1,15}$/.test(cursor)) return { after: Number(cursor) };
  const errors = [
    { path: 'cursor', expected: 'the next of a page before', got: cursor.slice(0, 64) },
  ];
  throw new Refusal({ reason: 'malformed', detail: 'The cursor is not one.', errors });
}

export function metrics(app: App): void {
  endpoint(app, 'getMetrics', async ({ env, caller, params, query, reply }) => {
    const { cursor, limit } = pageOf(query);
    const page = must(
      await jobOf(env, params.id).metrics(caller, {
        limit,
        ...after(cursor),
        ...(query.key === undefined ? {} : { key: query.key }),
        ...(query.site === undefined ? {} : { site: query.site }),
      }),
    );
    return reply(200, { metrics: page.metrics, next: page.next === null ? null : `${page.next}` });
  });

  endpoint(app, 'postMetrics', async ({ env, caller, params, body, reply }) =>
    reply(200, must(await jobOf(env, params.id).analytics(caller, body.entries))),
  );
}
