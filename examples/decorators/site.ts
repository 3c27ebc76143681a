// The same on methods. No engine runs decorators yet: build it first (tsc, esbuild, Vite).
import { init, isRunning, isTrain } from '@tributary/client-kit';
import type { FLModel } from '@tributary/client-kit';
import { evaluate, train } from '@tributary/client-kit/decorators';
import { accuracy, dataOf, train as trainLocally } from '../softmax/softmax.ts';
import type { Data } from '../softmax/softmax.ts';

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;

class Local {
  data: Data = dataOf(NAME);

  @evaluate
  async judge(model?: FLModel) {
    return accuracy(model!.params!, this.data);
  }

  @train
  async learn(model?: FLModel): Promise<FLModel> {
    const params = model!.params!;
    const steps = trainLocally(params, this.data);
    return { params, meta: { NUM_STEPS_CURRENT_ROUND: steps } };
  }
}

await init({ server: SERVER, name: NAME, enrolment: ENROLMENT });
const local = new Local();
while (await isRunning()) {
  await local.judge();
  if (isTrain()) await local.learn();
}
