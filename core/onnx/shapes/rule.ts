import type { ValueType } from '../graph.ts';
import type { NodeView } from '../node-view.ts';

/** Types of a node's outputs from those of its inputs. */
export type ShapeRule = (n: NodeView) => readonly ValueType[];
