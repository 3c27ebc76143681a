/** How the sparse vector technique spends its privacy, and the scales of the Laplace noise that this makes. */
export interface SparseVector {
  /** Answers that are released. */
  readonly uploads: number;
  readonly epsilonThreshold: number;
  readonly epsilonQuery: number;
  readonly epsilonRelease: number;
  readonly thresholdScale: number;
  readonly queryScale: number;
  readonly releaseScale: number;
}

/** What is given of it; the parts of epsilon that aren't follow from the rest, and those that are add up to it. */
export interface SparseVectorBudget {
  /** For finding the answers: threshold and queries together. */
  readonly epsilon: number;
  readonly epsilonThreshold?: number | undefined;
  readonly epsilonQuery?: number | undefined;
  /** For releasing them; uploads * noiseVar unless given. */
  readonly epsilonRelease?: number | undefined;
  readonly noiseVar: number;
  /** Answers are clipped to +-gamma: their sensitivity. */
  readonly gamma: number;
}

/**
 * Splits the budget as 1 : (2c)^(2/3) between threshold and queries, for c released answers. Lyu, Su and Li 2017, "Understanding the Sparse Vector Technique", section 4; FLARE's
 * SVTPrivacy.
 */
export const sparseVector = (
  uploads: number,
  { epsilon, noiseVar, gamma, ...given }: SparseVectorBudget,
): SparseVector => {
  const ratio = (2 * uploads) ** (2 / 3);
  const epsilonThreshold =
    given.epsilonThreshold ??
    (given.epsilonQuery === undefined ? epsilon / (1 + ratio) : epsilon - given.epsilonQuery);
  const epsilonQuery = given.epsilonQuery ?? epsilon - epsilonThreshold;
  const epsilonRelease = given.epsilonRelease ?? uploads * noiseVar;
  return {
    uploads,
    epsilonThreshold,
    epsilonQuery,
    epsilonRelease,
    thresholdScale: gamma / epsilonThreshold,
    queryScale: (2 * gamma * uploads) / epsilonQuery,
    releaseScale: (2 * gamma * uploads) / epsilonRelease,
  };
};
