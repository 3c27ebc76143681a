import type { Metric } from '../../core/protocol/fl-model.ts';
import { isTrain, receive, send } from './client-api.ts';
import type { Client } from './client.ts';
import { checkedModel } from './fl-model.ts';
import type { FLModel } from './fl-model.ts';

type Metrics = Readonly<Record<string, Metric>>;
type Speaker = Pick<Client, 'receive' | 'send' | 'isTrain'>;

/** A function of the task's model and what else it takes: called without a model, it is given the task's. */
type Wrapped<This, Rest extends unknown[], Result> = (
  this: This,
  model?: FLModel,
  ...rest: Rest
) => Promise<Result>;

type Local<This, Rest extends unknown[], Result> = (
  this: This,
  model: FLModel,
  ...rest: Rest
) => Result | Promise<Result>;

/** `train` and `evaluate` that speak for one client. */
export interface Wrappers {
  /**
   * Makes local training federated: the function gets the model that the task brought as its first argument, whatever it
   * is called with, and what it returns is sent. Metrics that `evaluate` found in this task go with it, as those of the
   * model received. Usable as a decorator of methods too.
   */
  readonly train: <This, Rest extends unknown[], Trained extends FLModel>(
    fn: Local<This, Rest, Trained>,
    context?: ClassMethodDecoratorContext,
  ) => Wrapped<This, Rest, Trained>;
  /** Likewise for evaluation: its metrics are sent with what `train` returns, or, in a task that only validates, at once. */
  readonly evaluate: <This, Rest extends unknown[], Found extends Metrics>(
    fn: Local<This, Rest, Found>,
    context?: ClassMethodDecoratorContext,
  ) => Wrapped<This, Rest, Found>;
}

/** FLARE's decorators (nvflare/client/decorator.py) for one of several clients. */
export const wrappersOf = (client: Speaker): Wrappers => {
  let metrics: Metrics | undefined;
  const received = async (): Promise<FLModel> => {
    const model = await client.receive();
    if (!model) throw new Error('the job has ended');
    return model;
  };
  return {
    train: (fn) =>
      async function (_model, ...rest) {
        const trained = await fn.call(this, await received(), ...rest);
        if (typeof trained !== 'object' || trained === null) {
          throw new TypeError('train must return an FLModel');
        }
        const model = checkedModel(metrics ? { ...trained, metrics } : trained);
        metrics = undefined;
        await client.send(model);
        return trained;
      },
    evaluate: (fn) =>
      async function (_model, ...rest) {
        const found = await fn.call(this, await received(), ...rest);
        if (typeof found !== 'object' || found === null) {
          throw new TypeError('evaluate must return metrics by their names');
        }
        if (client.isTrain()) metrics = found;
        else await client.send({ metrics: found });
        return found;
      },
  };
};

/** For the client of `init` (see client-api.ts). */
export const { train, evaluate }: Wrappers = wrappersOf({ receive, send, isTrain });
