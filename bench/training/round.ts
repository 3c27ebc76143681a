// What is measured: rounds of steps.
/** One training step; answers the loss before it. */
export type Step = () => Promise<number>;

/** What a process says when it is ready, and after each round. */
export interface Report {
  /** Milliseconds of each step of the round. */
  readonly ms: readonly number[];
  /** The loss before each. */
  readonly losses: readonly number[];
  /** Versions, threads, backend: whatever a reader of the table should know. */
  readonly about?: string;
}

/** Runs `count` steps. */
export const round = async (step: Step, count: number): Promise<Report> => {
  const ms: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    losses.push(await step());
    ms.push(performance.now() - before);
  }
  return { ms, losses };
};
