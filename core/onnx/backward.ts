import type { Emitter } from './emitter.ts';
import { GradientView } from './gradients/rule.ts';
import { unbroadcast } from './gradients/unbroadcast.ts';
import { entryOf } from './route.ts';
import type { Route } from './route.ts';

/**
 * The reverse walk: emits d loss / d value for every value on the route, from those of its ends (`seeds`). Invariants:
 * 1. Every operator on the route was looked up before the first gradient is emitted (route.ts).
 * 2. Gradients are emitted only for values that a wanted parameter lies behind.
 * 3. A rule answers for each of its inputs; what it answers is summed back to the input's shape here and nowhere else.
 * 4. Several uses of a value add up.
 */
export const backward = (
  g: Emitter,
  { needed, nodes }: Route,
  seeds: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> => {
  const grads = new Map(seeds);
  for (const node of nodes.toReversed()) {
    const entry = entryOf(node);
    const view = new GradientView(node, g, needed, grads);
    if (entry === undefined || !('rule' in entry)) continue;
    if (!node.output.some((name) => grads.has(name))) continue;
    const found = entry.rule(view, g);
    if (found.length < view.arity) view.malformed('its rule does not answer for every input');
    found.forEach((grad, i) => {
      if (grad === null || !view.needs(i)) return;
      const name = view.in(i);
      const own = unbroadcast(g, view.label, grad, name);
      const before = grads.get(name);
      grads.set(name, before === undefined ? own : g.op('Add', [before, own]));
    });
  }
  return grads;
};
