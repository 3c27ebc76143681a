// Softmax regression on a site's own data: the local code that the examples beside it make federated.
import type { Tensors } from '@tributary/client-kit';

export interface Data {
  /** `count` x 4. */
  readonly x: Float32Array;
  /** A class for each example: 0, 1 or 2. */
  readonly y: Int32Array;
}

/** 120 examples of three kinds, the same ones for the same name. Stands for what you read from a disk. */
export const dataOf = (site: string): Data => {
  let seed = Array.from(site).reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7);
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const x = new Float32Array(480);
  const y = Int32Array.from({ length: 120 }, (_, i) => i % 3);
  x.forEach((_, i) => (x[i] = random() - 0.5 + (i % 4 === y[i >> 2] ? 1 : 0)));
  return { x, y };
};

/** The probabilities of the three classes for one example. */
const predict = (w: Float32Array, b: Float32Array, x: Float32Array): number[] => {
  const scores = Array.from(b, (bias, k) => x.reduce((sum, v, j) => sum + v * w[k * 4 + j]!, bias));
  const top = Math.max(...scores);
  const e = scores.map((score) => Math.exp(score - top));
  const total = e.reduce((sum, v) => sum + v);
  return e.map((v) => v / total);
};

const weightsOf = (params: Tensors): [Float32Array, Float32Array] => [
  params.get('w')!.data as Float32Array,
  params.get('b')!.data as Float32Array,
];

/** 40 steps of gradient descent, 3 examples each, in place. Gives the number of steps. */
export const train = (params: Tensors, { x, y }: Data): number => {
  const [w, b] = weightsOf(params);
  for (let at = 0; at < y.length; at += 3) {
    const batch = [at, at + 1, at + 2].map((i) => ({ i, example: x.subarray(i * 4, i * 4 + 4) }));
    const predicted = batch.map(({ example }) => predict(w, b, example));
    for (const [n, { i, example }] of batch.entries()) {
      predicted[n]!.forEach((p, k) => {
        const step = (0.1 / 3) * (p - (y[i] === k ? 1 : 0));
        b[k]! -= step;
        example.forEach((v, j) => (w[k * 4 + j]! -= step * v));
      });
    }
  }
  return y.length / 3;
};

/** How many examples the model has right, and of how many: sums add up over sites. */
export const accuracy = (
  params: Tensors,
  { x, y }: Data,
): { accuracy: { sum: number; count: number } } => {
  const [w, b] = weightsOf(params);
  let right = 0;
  y.forEach((truth, i) => {
    const p = predict(w, b, x.subarray(i * 4, i * 4 + 4));
    if (p.every((each) => each <= p[truth]!)) right++;
  });
  return { accuracy: { sum: right, count: y.length } };
};
