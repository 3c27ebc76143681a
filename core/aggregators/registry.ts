import type { Aggregator } from './aggregator.ts';
import { mean } from './mean.ts';

/** Every aggregator that a workflow may name: one line each. */
const AGGREGATORS: readonly Aggregator[] = [mean];

const byName: ReadonlyMap<string, Aggregator> = new Map(AGGREGATORS.map((a) => [a.name, a]));

/** The aggregator of that name, if there is one. */
export const findAggregator = (name: string): Aggregator | undefined => byName.get(name);

export const aggregatorNames: readonly string[] = [...byName.keys()];
