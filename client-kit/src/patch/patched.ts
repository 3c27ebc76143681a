import type { Metric } from '../../../core/protocol/fl-model.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import { theClient } from '../client-api.ts';
import type { Client } from '../client.ts';

type Metrics = Readonly<Record<string, Metric>>;

/**
 * What a patched model and its client do for each other: FLARE's patch(trainer) (nvflare/app_opt/lightning/api.py). The first
 * evaluation of a task judges the model received; what training makes of it is sent, with those metrics.
 */
export class Patched {
  readonly #client: Client | undefined;
  readonly #write: (params: Tensors) => void;
  #loaded: unknown;
  #metrics: Metrics | undefined;
  #last: Tensors | undefined;
  #sent: Promise<unknown> = Promise.resolve();

  /** `write` puts weights into the model; `client` is that of `init` unless given. */
  constructor(client: Client | undefined, write: (params: Tensors) => void) {
    this.#client = client;
    this.#write = write;
  }

  get client(): Client {
    return this.#client ?? theClient();
  }

  /** Puts the task's model in, once a task. False where there is no task: the model is then as it was left. */
  load(): boolean {
    const model = this.client.received();
    if (!model) return false;
    if (model !== this.#loaded && model.params) {
      this.#write(model.params);
      this.#metrics = undefined;
    }
    this.#loaded = model;
    return true;
  }

  /** Metrics of the model as it was received. In a task that only validates they are the answer. */
  evaluated(metrics: Metrics): void {
    if (this.client.isEvaluate()) this.#send({ metrics });
    else this.#metrics ??= metrics;
  }

  /** Whether there is something to train. `submit_model` is answered here, with what was trained last. */
  async wantsTraining(current: () => Promise<Tensors> | Tensors): Promise<boolean> {
    await this.#sent;
    if (!this.load()) return false;
    if (this.client.isSubmitModel()) {
      await this.client.send({ params: this.#last ?? (await current()), paramsType: 'FULL' });
    }
    return this.client.received() !== undefined && this.client.isTrain();
  }

  /** Answers the task. */
  async trained(params: Tensors, steps: number): Promise<void> {
    this.#last = params;
    const metrics = this.#metrics;
    this.#metrics = undefined;
    const meta = { NUM_STEPS_CURRENT_ROUND: steps };
    await this.client.send({ params, meta, ...(metrics && { metrics }) });
  }

  #send(model: { metrics: Metrics }): void {
    // Evaluation may be synchronous. What goes wrong is thrown by the training that comes next.
    this.#sent = this.client.send(model);
    this.#sent.catch(() => undefined);
  }
}
