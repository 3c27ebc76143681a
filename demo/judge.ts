import * as ort from 'onnxruntime-web';
import type { Examples } from '../cli/src/data/dataset.ts';
import { evaluate } from '../client-kit/src/trainers/onnx/evaluate.ts';
import { Program } from '../client-kit/src/trainers/onnx/program.ts';
import type { Programs } from '../core/onnx/index.ts';
import type { Tensors } from '../core/tensors/tensor.ts';

/** What a model is worth on some images: the share it classifies rightly, and the mean cross-entropy. */
export interface Verdict {
  readonly accuracy: number;
  readonly loss: number;
  readonly examples: number;
}

/** Judges models on images that nobody trained on, with the same evaluate program as the sites. */
export class Judge {
  readonly #program: Program;
  readonly #heldOut: Examples;
  readonly #all: Uint32Array;

  private constructor(program: Program, heldOut: Examples) {
    this.#program = program;
    this.#heldOut = heldOut;
    this.#all = Uint32Array.from(heldOut.y, (_, i) => i);
  }

  static async of({ model, manifest }: Programs['evaluate'], heldOut: Examples): Promise<Judge> {
    ort.env.wasm.numThreads = 1;
    return new Judge(await Program.load(ort, model, manifest), heldOut);
  }

  async judge(model: Tensors): Promise<Verdict> {
    const counter = await evaluate(this.#program, model, this.#heldOut, this.#all);
    const [accuracy, loss] = [counter.mean('accuracy'), counter.mean('loss')];
    if (accuracy === undefined || loss === undefined)
      throw new Error('the program counts no accuracy');
    return { accuracy, loss, examples: counter.examples };
  }
}
