import { ELEMENT_TYPES } from '../element-type.ts';
import type { Emitter } from '../emitter.ts';
import type { GradientView, Rule } from './rule.ts';

/** A rule for one input, from its dX. */
export const unary =
  (dx: (n: GradientView, g: Emitter) => string): Rule =>
  (n, g) => [dx(n, g)];

/** A rule for two inputs, each emitted only when needed. */
const binary =
  (
    da: (n: GradientView, g: Emitter) => string,
    db: (n: GradientView, g: Emitter) => string,
  ): Rule =>
  (n, g) => [n.needs(0) ? da(n, g) : null, n.needs(1) ? db(n, g) : null];

/** A rule for any number of inputs. */
const each = (n: GradientView, dx: (i: number) => string): readonly (string | null)[] =>
  n.proto.input.map((_, i) => (n.needs(i) ? dx(i) : null));

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

// d(a / b) = (da - (a / b) db) / b
export const div = binary(
  (n, g) => g.op('Div', [n.grad, n.in(1)]),
  (n, g) => g.op('Neg', [g.op('Mul', [g.op('Div', [n.grad, n.in(1)]), n.out(0)])]),
);

// d(sum of x_i) = sum of dx_i
export const sum: Rule = (n) => each(n, () => n.grad);

// d(mean of x_i) = sum of dx_i / count
export const mean: Rule = (n, g) => each(n, () => g.op('Div', [n.grad, g.scalar(n.arity, n.grad)]));

/** y is the largest (smallest) of its inputs: dY goes to those that equal it, in equal shares, as in PyTorch. */
export const extremum: Rule = (n, g) => {
  if (n.arity === 1) return [n.grad];
  const wins = n.proto.input.map((x) => g.op('Equal', [x, n.out(0)]));
  const count = wins
    .map((won) => castLike(g, won, n.grad))
    .reduce((sofar, won) => g.op('Add', [sofar, won]));
  const share = g.op('Div', [n.grad, count]);
  return each(n, (i) => g.op('Where', [wins[i] ?? '', share, g.scalar(0, n.grad)]));
};

// d(a - trunc(a / b) b) = da - trunc(a / b) db, where trunc(a / b) b = a - y
export const mod = binary(dy, (n, g) => {
  const whole = g.op('Div', [g.op('Sub', [n.in(0), n.out(0)]), n.in(1)]);
  return g.op('Neg', [g.op('Mul', [n.grad, whole])]);
});

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

// d|x| = sign(x) dx; at 0 it is 0, as in PyTorch
export const abs = unary((n, g) => g.op('Mul', [n.grad, sign(n.in(0), g)]));

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

// d(erf x) = 2/sqrt(pi) e^(-x^2) dx
export const erf = unary((n, g) => {
  const bell = g.op('Exp', [g.op('Neg', [g.op('Mul', [n.in(0), n.in(0)])])]);
  return g.op('Mul', [n.grad, g.op('Mul', [bell, g.scalar(2 / Math.sqrt(Math.PI), n.grad)])]);
});

/**
 * dX where min <= x <= max, else 0: the bounds themselves pass it on, as in PyTorch. A bound gets dY where it holds, if
 * the graph computes it; one that is stored is a setting (exporters store the 0 and 6 of relu6 like weights).
 */
export const clip: Rule = (n, g) => {
  const zero = g.scalar(0, n.grad);
  const held = (bound: number): string =>
    g.op(bound === 1 ? 'Less' : 'Greater', [n.in(0), n.in(bound)]);
  const computed = (bound: number): boolean =>
    n.needs(bound) && g.nodes.some((node) => node.output.includes(n.in(bound)));
  const bounds = [1, 2].filter((bound) => n.has(bound));
  return [
    n.needs(0)
      ? bounds.reduce((dx, bound) => g.op('Where', [held(bound), zero, dx]), n.grad)
      : null,
    ...n.proto.input
      .slice(1)
      .map((_, i) => (computed(i + 1) ? g.op('Where', [held(i + 1), n.grad, zero]) : null)),
  ];
};

export const castLike = (g: Emitter, x: string, like: string): string => {
  const dtype = g.types.get(like)?.dtype ?? 'F32';
  return g.op('Cast', [x], { to: ELEMENT_TYPES[dtype] });
};

// a conversion between floats is the identity up to rounding; of CastLike's inputs, the second gives its dtype only
export const cast: Rule = (n, g) => [
  castLike(g, n.grad, n.in(0)),
  ...n.proto.input.slice(1).map(() => null),
];

/** -1, 0 or 1, in operators that every target runs (WebGPU has no Sign): whatever isn't 0, blown up, clipped. */
export const sign = (x: string, g: Emitter): string => {
  const largest = g.types.get(x)?.dtype === 'F16' ? 65504 : 3e38;
  const blown = g.op('Mul', [x, g.scalar(largest, x)]);
  return g.op('Clip', [blown, g.scalar(-1, x), g.scalar(1, x)]);
};
