import { Worker } from 'node:worker_threads';
import type { Tensors } from '../core/tensors/tensor.ts';
import type { BenchAnswer, BenchData, BenchTask, Training } from './bench-worker.ts';
import type { Verdict } from './judge.ts';

type OnStep = (step: number, steps: number) => void;

interface Waiting {
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: Error) => void;
  readonly onStep: OnStep | undefined;
}

/** A thread that judges models on the held-out images, and trains models to compare with. */
export class Bench {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(data: BenchData) {
    this.#worker = new Worker(new URL('bench-worker.ts', import.meta.url), { workerData: data });
    this.#worker.on('message', (answer: BenchAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      if ('step' in answer) return waiting?.onStep?.(answer.step, answer.steps);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.verdict);
    });
    this.#worker.on('error', (error) => {
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  judge(model: Tensors): Promise<Verdict> {
    return this.#ask((id) => ({ id, kind: 'judge', model }));
  }

  /** Trains a model from the same start and judges it. */
  train(training: Training, onStep?: OnStep): Promise<Verdict> {
    return this.#ask((id) => ({ id, kind: 'train', training }), onStep);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(task: (id: number) => BenchTask, onStep?: OnStep): Promise<Verdict> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onStep });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage(task(id));
    });
  }
}
