import type { Emitter } from '../emitter.ts';
import { unary } from './elementwise.ts';
import type { GradientView } from './rule.ts';

const times = (n: GradientView, g: Emitter, slope: string): string => g.op('Mul', [n.grad, slope]);
const over = (n: GradientView, g: Emitter, by: string): string => g.op('Div', [n.grad, by]);
const square = (x: string, g: Emitter): string => g.op('Mul', [x, x]);
const one = (n: GradientView, g: Emitter): string => g.scalar(1, n.grad);

/** sqrt(1 - x^2) */
const cosOfAsin = (n: GradientView, g: Emitter): string =>
  g.op('Sqrt', [g.op('Sub', [one(n, g), square(n.in(0), g)])]);

// d(sin x) = cos(x) dx
export const sin = unary((n, g) => times(n, g, g.op('Cos', [n.in(0)])));

// d(cos x) = -sin(x) dx
export const cos = unary((n, g) => g.op('Neg', [times(n, g, g.op('Sin', [n.in(0)]))]));

// d(tan x) = (1 + y^2) dx
export const tan = unary((n, g) => times(n, g, g.op('Add', [one(n, g), square(n.out(0), g)])));

// d(asin x) = dx / sqrt(1 - x^2)
export const asin = unary((n, g) => over(n, g, cosOfAsin(n, g)));

// d(acos x) = -dx / sqrt(1 - x^2)
export const acos = unary((n, g) => g.op('Neg', [over(n, g, cosOfAsin(n, g))]));

// d(atan x) = dx / (1 + x^2)
export const atan = unary((n, g) => over(n, g, g.op('Add', [one(n, g), square(n.in(0), g)])));

// d(sinh x) = cosh(x) dx
export const sinh = unary((n, g) => times(n, g, g.op('Cosh', [n.in(0)])));

// d(cosh x) = sinh(x) dx
export const cosh = unary((n, g) => times(n, g, g.op('Sinh', [n.in(0)])));

// d(asinh x) = dx / sqrt(x^2 + 1)
export const asinh = unary((n, g) =>
  over(n, g, g.op('Sqrt', [g.op('Add', [square(n.in(0), g), one(n, g)])])),
);

// d(acosh x) = dx / sqrt(x^2 - 1)
export const acosh = unary((n, g) =>
  over(n, g, g.op('Sqrt', [g.op('Sub', [square(n.in(0), g), one(n, g)])])),
);

// d(atanh x) = dx / (1 - x^2)
export const atanh = unary((n, g) => over(n, g, g.op('Sub', [one(n, g), square(n.in(0), g)])));
