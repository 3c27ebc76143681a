import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import type { Key } from './random.ts';

/** What the forms of one train graph share. */
export interface Training {
  /** Whether this running statistic is updated: it is a parameter, and nobody asked to leave it as it is. */
  readonly updates: (statistic: string) => boolean;
  /** The statistic as it stands after the nodes before: a module that is used twice updates it twice. */
  readonly running: (statistic: string) => string;
  readonly update: (statistic: string, next: string) => void;
  /** Whether masks are drawn at all. */
  readonly drops: boolean;
  /** The key of the next random tensor; the same seed and step give the same. */
  readonly key: () => Key;
}

/**
 * Writes a forward node as it is when the model trains, and answers the names that stand for its outputs; undefined
 * where the node is the same then.
 */
export type TrainingForm = (n: NodeView, g: Emitter, t: Training) => readonly string[] | undefined;
