import { ELEMENT_TYPES } from '../element-type.ts';
import type { TrainingForm } from './form.ts';
import { words } from './random.ts';

/** Where a node doesn't say (ONNX). */
const RATIO = 0.5;

/**
 * y = x * mask / (1 - ratio), each element kept with probability 1 - ratio: its random word is at least the ratio's share
 * of all words. The backward pass needs no rule of its own: y is a product.
 */
export const dropout: TrainingForm = (n, g, t) => {
  const fixed = n.has(1) ? n.scope.constants.get(n.in(1))?.data[0] : RATIO;
  const ratio = Number(fixed ?? n.malformed('its ratio must be a constant'));
  if (!(ratio >= 0 && ratio <= 1)) return n.malformed(`its ratio is ${ratio}, not 0 to 1`);
  if (ratio === 0 || !t.drops) return undefined;
  const { dtype } = n.type(0);
  const random = words(g, t.key(), n.in(0));
  const threshold = Math.min(Math.round(ratio * 2 ** 32) - 2 ** 31, 2 ** 31 - 1);
  const kept = g.op('GreaterOrEqual', [random, g.scalar(threshold, random)]);
  const mask = g.op('Cast', [kept], { to: ELEMENT_TYPES[dtype] });
  const scale = g.scalar(ratio === 1 ? 0 : 1 / (1 - ratio), n.in(0));
  return [g.op('Mul', [n.in(0), g.op('Mul', [mask, scale])]), kept];
};
