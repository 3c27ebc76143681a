import type { Device, Trainer } from '../../../client-kit/src/onnx.ts';
import type { DifferentiateOptions } from '../../../client-kit/src/differentiate.ts';
import { decode, encode } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';

/** What a test asks a runtime to train; it goes into a page as JSON. */
export interface Order {
  /** An ONNX file, base64. */
  readonly model: string;
  readonly options: DifferentiateOptions;
  readonly device: Device;
  readonly threads: number;
  /** Digits of 28 x 28 bytes, base64, and their labels. */
  readonly images: string;
  readonly labels: readonly number[];
  readonly lr: number;
  readonly batchSize: number;
  readonly epochs: number;
}

/** What came of it. */
export interface Outcome {
  readonly device: string;
  readonly losses: readonly number[];
  /** The whole model, safetensors in base64. */
  readonly model: string;
}

export const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

const base64Of = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

export const tensorsOf = ({ model }: Outcome): Tensors => {
  const decoded = decode(bytesOf(model));
  if (!decoded.ok) throw new Error(decoded.error.got);
  return decoded.value.tensors;
};

/** Trains as ordered, the same in Node and in a page. */
export const carryOut = async (trainer: Trainer, order: Order): Promise<Outcome> => {
  const { images, labels, lr, batchSize, epochs } = order;
  const losses: number[] = [];
  await trainer.train({
    dataset: {
      x: {
        data: bytesOf(images).subarray(0, labels.length * 784),
        shape: [labels.length, 1, 28, 28],
      },
      y: Int32Array.from(labels),
    },
    lr,
    batchSize,
    epochs,
    seed: 7,
    onStep: (_step, _steps, loss) => losses.push(loss),
  });
  await trainer.release();
  return { device: trainer.device, losses, model: base64Of(encode(trainer.params)) };
};
