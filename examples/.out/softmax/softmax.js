/** 120 examples of three kinds, the same ones for the same name. Stands for what you read from a disk. */
export const dataOf = (site) => {
  let seed = Array.from(site).reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const x = new Float32Array(480);
  const y = Int32Array.from({ length: 120 }, (_, i) => i % 3);
  x.forEach((_, i) => (x[i] = random() - 0.5 + (y[i >> 2] === i % 4 ? 1 : 0)));
  return { x, y };
};
/** The probabilities of the three classes for one example. */
const predict = (w, b, x) => {
  const scores = Array.from(b, (bias, k) => x.reduce((sum, v, j) => sum + v * w[k * 4 + j], bias));
  const top = Math.max(...scores);
  const e = scores.map((score) => Math.exp(score - top));
  const total = e.reduce((sum, v) => sum + v);
  return e.map((v) => v / total);
};
const weightsOf = (params) => [params.get('w').data, params.get('b').data];
/** 40 steps of gradient descent, 3 examples each, in place. Gives the number of steps. */
export const train = (params, { x, y }) => {
  const [w, b] = weightsOf(params);
  for (let at = 0; at < y.length; at += 3) {
    for (let i = at; i < at + 3; i++) {
      const example = x.subarray(i * 4, i * 4 + 4);
      predict(w, b, example).forEach((p, k) => {
        const step = 0.1 * (p - (y[i] === k ? 1 : 0));
        b[k] -= step;
        example.forEach((v, j) => (w[k * 4 + j] -= step * v));
      });
    }
  }
  return y.length / 3;
};
/** How many examples the model has right, and of how many: sums add up over sites. */
export const accuracy = (params, { x, y }) => {
  const [w, b] = weightsOf(params);
  let right = 0;
  y.forEach((truth, i) => {
    const p = predict(w, b, x.subarray(i * 4, i * 4 + 4));
    if (p.every((each) => each <= p[truth])) right++;
  });
  return { accuracy: { sum: right, count: y.length } };
};
