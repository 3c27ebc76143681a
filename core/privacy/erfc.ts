/** Where the power series gives way to the continued fraction: both are good to 1e-13 here. */
const SWITCH = 2;
const TERMS = 120;

/**
 * e^(x^2) erfc(x) for x >= 0, to a relative 1e-13: erfc without its underflow. Abramowitz and Stegun 1964, 7.1.6 (series)
 * and 7.1.14 (continued fraction).
 */
export const scaledErfc = (x: number): number =>
  x < SWITCH ? Math.exp(x * x) - series(x) : 1 / (Math.sqrt(Math.PI) * fraction(x));

/** e^(x^2) erf(x) = 2 / sqrt(pi) * sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms positive. */
const series = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < TERMS; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};

/** x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...))), from the far end. */
const fraction = (x: number): number => {
  let value = x;
  for (let n = TERMS; n >= 1; n--) value = x + n / 2 / value;
  return value;
};
