// The types of the kit's public API: this file is compiled, and never run. A line that must not compile says so.
import { checkedModel, runSite, MemoryStore } from '../../client-kit/src/index.ts';
import type { Client, FLModel, init, receive, SendStatus } from '../../client-kit/src/index.ts';
import { evaluate, train } from '../../client-kit/src/decorators.ts';
import {
  components,
  DXO,
  Executor,
  executor,
  FLComponent,
  makeReply,
} from '../../client-kit/src/executor.ts';
import type { DataOf, FLContext, ReturnCode, Shareable } from '../../client-kit/src/executor.ts';
import { ModelLearner, modelLearner } from '../../client-kit/src/model-learner.ts';
import { inWorker, serveTasks } from '../../client-kit/src/worker.ts';
import { patch } from '../../client-kit/src/tfjs.ts';
import { patch as patchTrainer } from '../../client-kit/src/onnx.ts';
import type { Trainer } from '../../client-kit/src/onnx.ts';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Tensors } from '../../core/tensors/tensor.ts';

/** Each can stand for the other. */
type Equal<A, B> = [A, B] extends [B, A] ? true : false;

declare const client: Client;
declare const params: Tensors;
declare const context: FLContext;
declare const shareable: Shareable;

// Client API
void (true satisfies Equal<ReturnType<typeof receive>, Promise<FLModel | undefined>>);
void (true satisfies Equal<ReturnType<Client['send']>, Promise<SendStatus>>);
void (true satisfies Equal<Awaited<ReturnType<typeof init>>, Client>);
void (true satisfies Equal<ReturnType<Client['getTaskName']>, string>);
client.log('loss', 0.5, { type: 'SCALAR', step: 3 });
// @ts-expect-error A type that FLARE doesn't have.
client.log('loss', 0.5, { type: 'NUMBER' });
// @ts-expect-error FULL or DIFF.
checkedModel({ params, paramsType: 'HALF' });
// @ts-expect-error Named tensors, no nested JSON.
checkedModel({ params: { w: [1, 2] } });
// @ts-expect-error What came is not the caller's to replace.
({} as FLModel).params = params;

// Wrappers and decorators
const learn = train(({ params: given = params }: FLModel, _epochs: number) => ({ params: given }));
void (true satisfies Equal<Awaited<ReturnType<typeof learn>>, { params: Tensors }>);
void learn(undefined, 3);
// @ts-expect-error The function's other arguments are the caller's to give.
void learn(undefined, 'three');
// @ts-expect-error Not a model.
train(() => 'done');
// @ts-expect-error Metrics have names.
evaluate(() => 0.5);
class Local {
  step = 1;
  @evaluate
  async judge(_model?: FLModel) {
    return { accuracy: this.step };
  }
  @train
  async learn(_model?: FLModel): Promise<FLModel> {
    return { params };
  }
}
void (true satisfies Equal<ReturnType<Local['judge']>, Promise<{ accuracy: number }>>);

// ModelLearner
class Learner extends ModelLearner {
  override train(model: FLModel): FLModel | ReturnCode {
    return this.isAborted() ? 'TASK_ABORTED' : model;
  }
}
class Wrong extends ModelLearner {
  // @ts-expect-error A string is a return code.
  override validate(): 'NO_IDEA' {
    return 'NO_IDEA';
  }
}
void Wrong;
void (true satisfies Equal<ModelLearner['abortSignal'], AbortSignal | undefined>);
const header: number = new Learner().getShareableHeader('rounds', 3);
void header;

// Executor
class Own extends Executor {
  execute(_task: string, given: Shareable, _context: FLContext, signal: AbortSignal): Shareable {
    return signal.aborted ? makeReply('TASK_ABORTED') : given;
  }
}
// @ts-expect-error An Executor executes.
class Idle extends Executor {}
void Idle;
// @ts-expect-error No code of FLARE's.
makeReply('NO_IDEA');
// @ts-expect-error Weights are tensors.
void new DXO('WEIGHTS', { w: 1 });
const dxo = DXO.fromShareable(shareable);
if (dxo.is('METRICS')) void (true satisfies Equal<typeof dxo.data, DataOf['METRICS']>);
if (dxo.is('COLLECTION')) void (true satisfies Equal<typeof dxo.data, ReadonlyMap<string, DXO>>);
void (true satisfies Equal<ReturnType<FLContext['getAllPublicProps']>, Record<string, unknown>>);
context.setProp('key', 1, { private: false, sticky: false });

// All of them are an app
const site = { server: '', store: new MemoryStore() };
void runSite({ ...site, app: executor(() => new Own()) });
void runSite({ ...site, app: modelLearner(() => new Learner()) });
void runSite({ ...site, app: ({ params: given = params }) => ({ params: given }) });
void runSite({ ...site, app: inWorker(() => new Worker('train.js', { type: 'module' })) });
void runSite({ ...site, components: components(() => ({ listener: new FLComponent() })) });
// @ts-expect-error Made once a job, so: a function that makes it.
void runSite({ ...site, app: executor(new Own()) });
serveTasks(modelLearner(() => new Learner()));

// patch gives back what it was given
declare const model: LayersModel;
void (true satisfies Equal<ReturnType<typeof patch<LayersModel>>, LayersModel>);
void patch(model).fit;
// @ts-expect-error Not a model of TensorFlow.js.
patch({ weights: [] });
declare const trainer: Trainer;
void (true satisfies Equal<ReturnType<typeof patchTrainer>, Trainer>);
void patchTrainer(trainer, client);
