// A class with the methods of learning; when they are called is the kit's to know.
import { MemoryStore, runSite } from '@tributary/client-kit';
import { ModelLearner, modelLearner } from '@tributary/client-kit/model-learner';
import type { FLModel } from '@tributary/client-kit/model-learner';
import { accuracy, dataOf, train } from '../softmax/softmax.ts';
import type { Data } from '../softmax/softmax.ts';

class SoftmaxLearner extends ModelLearner {
  data!: Data;

  override initialize(): void {
    this.data = dataOf(this.siteName);
  }

  override validate({ params }: FLModel): FLModel {
    return { metrics: accuracy(params!, this.data) };
  }

  override train({ params }: FLModel): FLModel {
    const steps = train(params!, this.data);
    return { params: params!, meta: { NUM_STEPS_CURRENT_ROUND: steps } };
  }
}

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
await runSite({
  server: SERVER,
  name: NAME,
  enrolment: ENROLMENT,
  store: new MemoryStore(),
  app: modelLearner(() => new SoftmaxLearner()),
  once: true,
});
