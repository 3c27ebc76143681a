import type { ValueType } from '../graph.ts';
import type { ShapeRule } from './rule.ts';

/**
 * RNN and GRU: Y [steps, directions, batch, hidden], and the state after the last step [directions, batch, hidden]; LSTM
 * has two of these. With `layout` 1 the batch stands first.
 */
export const recurrent: ShapeRule = (n) => {
  const [x, { dtype }] = [n.shape(0), n.type(0)];
  const first = n.int('layout', 0) === 1;
  const [steps = 1, batch = 1] = first ? [x[1], x[0]] : x;
  const [ways = 1, , hidden = 1] = n.shape(2);
  const state: ValueType = { dtype, shape: first ? [batch, ways, hidden] : [ways, batch, hidden] };
  const shape = first ? [batch, steps, ways, hidden] : [steps, ways, batch, hidden];
  return [{ dtype, shape }, state, state];
};
