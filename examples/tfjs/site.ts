// The same script in a federation.
import * as tf from '@tensorflow/tfjs';
import { init, isRunning, patch } from '@tributary/client-kit/tfjs';
import { dataOf } from '../softmax/softmax.ts';

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
const data = dataOf(NAME);
const x = tf.tensor2d(data.x, [120, 4]);
const y = tf.tensor1d(Float32Array.from(data.y));
const out = tf.layers.dense({ name: 'out', units: 3, activation: 'softmax', inputShape: [4] });
const model = tf.sequential({ layers: [out] });
model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });

await init({ server: SERVER, name: NAME, enrolment: ENROLMENT });
patch(model);
while (await isRunning()) {
  model.evaluate(x, y);
  await model.fit(x, y, { epochs: 2, batchSize: 12 });
}
