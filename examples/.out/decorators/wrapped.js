// Functions that you have, wrapped: nothing to build.
import { init, isRunning, isTrain } from '@tributary/client-kit';
import { evaluate, train } from '@tributary/client-kit/decorators';
import { accuracy, dataOf, train as trainLocally } from '../softmax/softmax.js';
const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
const data = dataOf(NAME);
const judge = evaluate(({ params }) => accuracy(params, data));
const learn = train(({ params }) => {
  const steps = trainLocally(params, data);
  return { params: params, meta: { NUM_STEPS_CURRENT_ROUND: steps } };
});
await init({ server: SERVER, name: NAME, enrolment: ENROLMENT });
while (await isRunning()) {
  await judge(); // the answer, or, where the task is to train, what goes along with it
  if (isTrain()) await learn();
}
