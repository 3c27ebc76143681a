/** What one turn knows and gathers: the one set of things that outlives a transaction is `woken`, and only to its end. */
export interface Turn {
  /** Milliseconds since 1970; the same for the whole turn. */
  readonly now: number;
  /** Sites with a waiting poll when the turn began. */
  readonly waiting: { has(site: string): boolean };
  /** Waiting sites that were given a task in this turn: site -> task number. They are answered after commit. */
  readonly woken: Map<string, number>;
}

/** What rows cannot settle by themselves: the job must be suspended, or ends. */
export type Trouble = { readonly kind: 'suspend' | 'fail'; readonly reason: string };
