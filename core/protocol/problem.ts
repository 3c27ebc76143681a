import * as v from 'valibot';

/** RFC 9457 problem details, as every error answers them (`application/problem+json`). */
export const Problem = v.object({
  type: v.string(),
  title: v.string(),
  status: v.number(),
  detail: v.string(),
  /** Machine-readable kind; finer than `type` for 422. */
  code: v.string(),
  errors: v.optional(
    v.array(v.object({ path: v.string(), expected: v.string(), got: v.string() })),
  ),
});
export type Problem = v.InferOutput<typeof Problem>;
