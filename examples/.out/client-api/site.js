// Your own loop asks for the model and sends what it made of it.
import { init } from '@tributary/client-kit';
import { accuracy, dataOf, train } from '../softmax/softmax.js';
const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
const data = dataOf(NAME);
const client = await init({ server: SERVER, name: NAME, enrolment: ENROLMENT });
while (await client.isRunning()) {
  const model = await client.receive();
  if (!model?.params) throw new Error(`${client.getTaskName()} came without a model`);
  const { params } = model;
  const metrics = accuracy(params, data); // of the model as it came
  if (client.isEvaluate()) {
    await client.send({ metrics });
  } else {
    const steps = train(params, data);
    await client.send({ params, metrics, meta: { NUM_STEPS_CURRENT_ROUND: steps } });
  }
}
