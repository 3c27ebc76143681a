/** One field that is not what it should be. `path` is a JSON path like `workflows[0].args.rounds`, or a tensor's name. */
export interface FieldError {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/**
 * Why a request was refused: every internal failure that has an answer. `functions/problem.ts` turns each into one
 * RFC 9457 problem; nothing else does.
 */
export type Fault =
  | { readonly reason: 'unauthorized'; readonly detail: string }
  | { readonly reason: 'forbidden'; readonly detail: string }
  | { readonly reason: 'not-found'; readonly what: string }
  | { readonly reason: 'method-not-allowed'; readonly allow: readonly string[] }
  | {
      readonly reason: 'malformed';
      readonly detail: string;
      readonly errors?: readonly FieldError[];
    }
  /** The body stopped coming: nothing is wrong with it, and the sender should send it again. */
  | { readonly reason: 'incomplete'; readonly detail: string }
  | { readonly reason: 'conflict'; readonly detail: string }
  | { readonly reason: 'unsupported-media-type'; readonly expected: string; readonly got: string }
  | { readonly reason: 'too-large'; readonly limit: number; readonly got: number | null }
  | { readonly reason: 'range-not-satisfiable'; readonly size: number; readonly detail: string }
  | {
      readonly reason: 'invalid';
      /** Machine-readable kind, e.g. `INVALID_SPEC`, `MISSING_BLOB`, `DIGEST_MISMATCH`, `NON_FINITE`. */
      readonly code: string;
      readonly detail: string;
      readonly errors: readonly FieldError[];
    }
  | { readonly reason: 'storage-full'; readonly detail: string }
  | { readonly reason: 'unavailable'; readonly detail: string; readonly retryAfter: number }
  | { readonly reason: 'internal'; readonly detail: string };
