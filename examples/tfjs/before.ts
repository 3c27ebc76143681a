// A TensorFlow.js script that trains for itself.
import * as tf from '@tensorflow/tfjs';
import { dataOf } from '../softmax/softmax.ts';

const { NAME = 'site-1' } = process.env;
const data = dataOf(NAME);
const x = tf.tensor2d(data.x, [120, 4]);
const y = tf.tensor1d(Float32Array.from(data.y));
const out = tf.layers.dense({ name: 'out', units: 3, activation: 'softmax', inputShape: [4] });
const model = tf.sequential({ layers: [out] });
model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });

model.evaluate(x, y);
await model.fit(x, y, { epochs: 2, batchSize: 12 });
