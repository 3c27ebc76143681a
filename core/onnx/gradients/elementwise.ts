import { ELEMENT_TYPES } from '../element-type.ts';
import type { Emitter } from '../emitter.ts';
import type { GradientView, Rule } from './rule.ts';

/** A rule for one input, from its dX. */
const unary =
  (dx: (n: GradientView, g: Emitter) => string): Rule =>
  (n, g) => [dx(n, g)];

/** A rule for two inputs, each emitted only when needed. */
const binary =
  (
    da: (n: GradientView, g: Emitter) => string,
    db: (n: GradientView, g: Emitter) => string,
  ): Rule =>
  (n, g) => [n.needs(0) ? da(n, g) : null, n.needs(1) ? db(n, g) : null];

const dy = (n: GradientView): string => n.grad;

// d(a + b) = da + db
export const add = binary(dy, dy);

// d(a - b) = da - db
export const sub = binary(dy, (n, g) => g.op('Neg', [n.grad]));

// d(ab) = b da + a db
export const mul = binary(
  (n, g) => g.op('Mul', [n.grad, n.in(1)]),
  (n, g) => g.op('Mul', [n.grad, n.in(0)]),
);

// d(a / b) = da / b - (a / b) db / b
export const div = binary(
  (n, g) => g.op('Div', [n.grad, n.in(1)]),
  (n, g) => g.op('Neg', [g.op('Div', [g.op('Mul', [n.grad, n.out(0)]), n.in(1)])]),
);

// d(x^p) = p x^(p-1) dx + x^p ln(x) dp
export const pow = binary(
  (n, g) => {
    const { dtype } = n.type(0);
    const p = n.type(1).dtype === dtype ? n.in(1) : castLike(g, n.in(1), n.in(0));
    const slope = g.op('Mul', [p, g.op('Pow', [n.in(0), g.op('Sub', [p, g.scalar(1, p)])])]);
    return g.op('Mul', [n.grad, slope]);
  },
  (n, g) => g.op('Mul', [n.grad, g.op('Mul', [n.out(0), g.op('Log', [n.in(0)])])]),
);

// d(sum of x_i) = sum of dx_i
export const sum: Rule = (n) => n.proto.input.map((_, i) => (n.needs(i) ? n.grad : null));

// d(c ? a : b) = c ? da : db
export const where: Rule = (n, g) => {
  const zero = g.scalar(0, n.grad);
  return [
    null,
    n.needs(1) ? g.op('Where', [n.in(0), n.grad, zero]) : null,
    n.needs(2) ? g.op('Where', [n.in(0), zero, n.grad]) : null,
  ];
};

export const neg = unary((n, g) => g.op('Neg', [n.grad]));

export const identity = unary(dy);

// d|x| = sign(x) dx
export const abs = unary((n, g) => g.op('Mul', [n.grad, g.op('Sign', [n.in(0)])]));

// d(1/x) = -y^2 dx
export const reciprocal = unary((n, g) =>
  g.op('Neg', [g.op('Mul', [n.grad, g.op('Mul', [n.out(0), n.out(0)])])]),
);

// d(e^x) = y dx
export const exp = unary((n, g) => g.op('Mul', [n.grad, n.out(0)]));

// d(ln x) = dx / x
export const log = unary((n, g) => g.op('Div', [n.grad, n.in(0)]));

// d(sqrt x) = dx / 2y
export const sqrt = unary((n, g) =>
  g.op('Div', [n.grad, g.op('Mul', [n.out(0), g.scalar(2, n.grad)])]),
);

// d(sin x) = cos(x) dx
export const sin = unary((n, g) => g.op('Mul', [n.grad, g.op('Cos', [n.in(0)])]));

// d(cos x) = -sin(x) dx
export const cos = unary((n, g) => g.op('Neg', [g.op('Mul', [n.grad, g.op('Sin', [n.in(0)])])]));

// d(erf x) = 2/sqrt(pi) e^(-x^2) dx
export const erf = unary((n, g) => {
  const bell = g.op('Exp', [g.op('Neg', [g.op('Mul', [n.in(0), n.in(0)])])]);
  return g.op('Mul', [n.grad, g.op('Mul', [bell, g.scalar(2 / Math.sqrt(Math.PI), n.grad)])]);
});

// dx where y > 0, else 0; at 0 it is 0, as in PyTorch
export const relu = unary((n, g) => {
  const zero = g.scalar(0, n.grad);
  return g.op('Where', [g.op('Greater', [n.out(0), zero]), n.grad, zero]);
});

// dx where x > 0, else alpha dx
export const leakyRelu = unary((n, g) => {
  const leak = g.op('Mul', [n.grad, g.scalar(n.float('alpha', 0.01), n.grad)]);
  return g.op('Where', [g.op('Greater', [n.in(0), g.scalar(0, n.grad)]), n.grad, leak]);
});

// dx where x > 0, else (y + alpha) dx, for y = alpha (e^x - 1)
export const elu = unary((n, g) => {
  const slope = g.op('Add', [n.out(0), g.scalar(n.float('alpha', 1), n.grad)]);
  const below = g.op('Mul', [n.grad, slope]);
  return g.op('Where', [g.op('Greater', [n.in(0), g.scalar(0, n.grad)]), n.grad, below]);
});

// d sigmoid(x) = y (1 - y) dx
export const sigmoid = unary((n, g) => {
  const slope = g.op('Mul', [n.out(0), g.op('Sub', [g.scalar(1, n.grad), n.out(0)])]);
  return g.op('Mul', [n.grad, slope]);
});

// d tanh(x) = (1 - y^2) dx
export const tanh = unary((n, g) => {
  const slope = g.op('Sub', [g.scalar(1, n.grad), g.op('Mul', [n.out(0), n.out(0)])]);
  return g.op('Mul', [n.grad, slope]);
});

// d ln(1 + e^x) = sigmoid(x) dx
export const softplus = unary((n, g) => g.op('Mul', [n.grad, g.op('Sigmoid', [n.in(0)])]));

// dx where min <= x <= max, else 0; the bounds themselves pass it on, as in PyTorch
export const clip: Rule = (n, g) => {
  const zero = g.scalar(0, n.grad);
  let dx = n.grad;
  if (n.has(1)) dx = g.op('Where', [g.op('GreaterOrEqual', [n.in(0), n.in(1)]), dx, zero]);
  if (n.has(2)) dx = g.op('Where', [g.op('LessOrEqual', [n.in(0), n.in(2)]), dx, zero]);
  return [dx, null, null];
};

export const castLike = (g: Emitter, x: string, like: string): string => {
  const dtype = g.types.get(like)?.dtype ?? 'F32';
  return g.op('Cast', [x], { to: ELEMENT_TYPES[dtype] });
};

// a conversion between floats is the identity up to rounding
export const cast = unary((n, g) => castLike(g, n.grad, n.in(0)));
