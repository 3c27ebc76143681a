// The peer's side of bench/train-step.ts: the same layers, loss and optimizer in TensorFlow.js, on its fastest backend
// in Node that can train them. Prints milliseconds a step.
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs');
const [, , model, batchText] = process.argv;
const batch = Number(batchText);

if (model === 'mlp') {
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')), '/'));
  await tf.setBackend('wasm');
} else {
  await tf.setBackend('cpu');
}

const weights = (...shape) => tf.variable(tf.randomUniform(shape, -0.05, 0.05, 'float32', 1));
// [in, out] layout, which is TensorFlow.js's own: with PyTorch's it is slower, and that would be our porting, not it.
const dense = (inputs, outputs) => ({ w: weights(inputs, outputs), b: weights(outputs) });
const layers =
  model === 'mlp'
    ? { a: dense(784, 128), b: dense(128, 10) }
    : {
        k1: weights(5, 5, 1, 16),
        k2: weights(5, 5, 16, 32),
        c1: weights(16),
        c2: weights(32),
        out: dense(512, 10),
      };

const forward = {
  mlp: (x) =>
    tf.add(
      tf.matMul(tf.relu(tf.add(tf.matMul(x, layers.a.w), layers.a.b)), layers.b.w),
      layers.b.b,
    ),
  cnn: (x) => {
    const pool = (v, k, c) =>
      tf.maxPool(tf.relu(tf.add(tf.conv2d(v, k, 1, 'valid'), c)), 2, 2, 'valid');
    const images = tf.reshape(x, [batch, 28, 28, 1]);
    const maps = pool(pool(images, layers.k1, layers.c1), layers.k2, layers.c2);
    return tf.add(tf.matMul(tf.reshape(maps, [batch, 512]), layers.out.w), layers.out.b);
  },
}[model];

const x = tf.randomUniform([batch, 784], 0, 1, 'float32', 2);
const y = tf.oneHot(
  tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 10),
    'int32',
  ),
  10,
);
const optimizer = tf.train.momentum(0.01, 0.9);
const step = async () => {
  const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, forward(x)), true);
  await loss.data();
  loss.dispose();
};

const [warm, count] = model === 'mlp' ? [200, 300] : [0, 2];
for (let i = 0; i < warm; i++) await step();
const times = [];
for (let i = 0; i < count; i++) {
  const before = performance.now();
  await step();
  times.push(performance.now() - before);
}
console.log(times.toSorted((a, b) => a - b)[count >> 1]);
