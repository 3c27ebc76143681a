import { LIMITS } from '../core/protocol/limits.ts';
import type { Page } from '../durable/stubs.ts';

/** A list's page as asked for, or the first of the usual length. */
export const pageOf = (query: {
  limit?: number | undefined;
  cursor?: string | undefined;
}): Page => ({
  limit: query.limit ?? LIMITS.pageDefault,
  ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
});
