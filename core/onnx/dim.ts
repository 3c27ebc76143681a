/**
 * A dimension: a number, or a product such as `batch` or `256*batch` whose value is known only when the graph runs.
 * Products are kept in one spelling (coefficient first, symbols sorted), so equal dimensions are equal strings.
 */
export type Dim = number | string;

interface Monomial {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

const parse = (dim: Dim): Monomial => {
  if (typeof dim === 'number') return { coefficient: dim, symbols: [] };
  const factors = dim.split('*');
  const numbers = factors.filter((factor) => /^\d+$/.test(factor)).map(Number);
  return {
    coefficient: numbers.reduce((a, b) => a * b, 1),
    symbols: factors.filter((factor) => !/^\d+$/.test(factor)).toSorted(),
  };
};

const spell = ({ coefficient, symbols }: Monomial): Dim => {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  return coefficient === 1 ? symbols.join('*') : [coefficient, ...symbols].join('*');
};

export const isStatic = (dim: Dim): dim is number => typeof dim === 'number';

/** Whether every dimension is a number. */
export const allStatic = (dims: readonly Dim[]): dims is readonly number[] => dims.every(isStatic);

export const multiply = (a: Dim, b: Dim): Dim => {
  const [x, y] = [parse(a), parse(b)];
  return spell({
    coefficient: x.coefficient * y.coefficient,
    symbols: [...x.symbols, ...y.symbols].toSorted(),
  });
};

export const product = (dims: readonly Dim[]): Dim => dims.reduce<Dim>(multiply, 1);

/** `a + b` where both are multiples of the same symbols, else undefined. */
export const add = (a: Dim, b: Dim): Dim | undefined => {
  const [x, y] = [parse(a), parse(b)];
  if (x.coefficient === 0) return b;
  if (y.coefficient === 0) return a;
  return x.symbols.join('*') === y.symbols.join('*')
    ? spell({ coefficient: x.coefficient + y.coefficient, symbols: x.symbols })
    : undefined;
};

/** `a / b` where it comes out even whatever the symbols stand for, else undefined. */
export const divide = (a: Dim, b: Dim): Dim | undefined => {
  const [x, y] = [parse(a), parse(b)];
  if (y.coefficient === 0 || x.coefficient % y.coefficient !== 0) return undefined;
  const symbols = [...x.symbols];
  for (const symbol of y.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  return spell({ coefficient: x.coefficient / y.coefficient, symbols });
};
