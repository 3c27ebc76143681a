import { scaledErfc } from './erfc.ts';

/** The privacy that one release has: (epsilon, delta)-differential privacy. */
export interface PrivacyLoss {
  readonly epsilon: number;
  readonly delta: number;
}

/**
 * The smallest delta at which noise of this standard deviation, per unit of L2 sensitivity, is (epsilon, delta)-private:
 * Phi(a) - e^epsilon Phi(-b), a = 1/(2 s) - epsilon s, b = 1/(2 s) + epsilon s. Written with e^(-a^2/2) taken out of both
 * terms (b^2 - a^2 = 2 epsilon), so that neither overflows. Balle and Wang 2018, "Improving the Gaussian Mechanism for
 * Differential Privacy", Theorem 8.
 */
export const gaussianDelta = (sigma: number, epsilon: number): number => {
  const a = 1 / (2 * sigma) - epsilon * sigma;
  const b = 1 / (2 * sigma) + epsilon * sigma;
  const scale = Math.exp((-a * a) / 2) / 2;
  const second = scale * scaledErfc(b / Math.SQRT2);
  const first =
    a > 0 ? 1 - scale * scaledErfc(a / Math.SQRT2) : scale * scaledErfc(-a / Math.SQRT2);
  return first - second;
};

/**
 * The smallest standard deviation of Gaussian noise that makes a value of this L2 sensitivity (epsilon, delta)-private:
 * the analytic Gaussian mechanism, exact for every epsilon > 0 (the textbook formula holds below 1 only, and wastes noise
 * there). By bisection, to the last bits, on the safe side. Balle and Wang 2018, Algorithm 1.
 */
export const gaussianSigma = ({ epsilon, delta }: PrivacyLoss, sensitivity: number): number => {
  let high = 1;
  while (gaussianDelta(high, epsilon) > delta) high *= 2;
  let low = high / 2;
  while (gaussianDelta(low, epsilon) <= delta) {
    high = low;
    low /= 2;
  }
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (gaussianDelta(middle, epsilon) > delta) low = middle;
    else high = middle;
  }
  return high * sensitivity;
};
