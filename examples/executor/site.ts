// Every task as it comes, and its answer word for word.
import { MemoryStore, runSite } from '@tributary/client-kit';
import { DXO, Executor, executor, makeReply, MetaKey } from '@tributary/client-kit/executor';
import type { FLContext, Shareable } from '@tributary/client-kit/executor';
import { accuracy, dataOf, train } from '../softmax/softmax.ts';

class SoftmaxExecutor extends Executor {
  execute(taskName: string, shareable: Shareable, context: FLContext): Shareable {
    const dxo = DXO.fromShareable(shareable);
    if (!dxo.is('WEIGHTS')) return makeReply('BAD_TASK_DATA');
    const data = dataOf(context.getIdentityName());
    const metrics = accuracy(dxo.data, data);
    if (taskName === 'validate') return new DXO('METRICS', metrics).toShareable();
    if (taskName !== 'train') return makeReply('TASK_UNKNOWN');
    const steps = train(dxo.data, data);
    const meta = { [MetaKey.INITIAL_METRICS]: metrics, [MetaKey.NUM_STEPS_CURRENT_ROUND]: steps };
    return new DXO('WEIGHTS', dxo.data, meta).toShareable();
  }
}

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
await runSite({
  server: SERVER,
  name: NAME,
  enrolment: ENROLMENT,
  store: new MemoryStore(),
  app: executor(() => new SoftmaxExecutor()),
  once: true,
});
