/** The ONNX trainer by itself: for code of your own that trains with a job's programs. */
export { onnx } from './executors/onnx.ts';
export type { OnnxOptions } from './executors/onnx.ts';
export type { Dataset } from './dataset.ts';
export { rngOf } from './seed.ts';
export type { Rng, SeedParts } from './seed.ts';
export { checkDataset } from './trainers/onnx/contract.ts';
export { evaluate } from './trainers/onnx/evaluate.ts';
export type { MetricCounter, MetricSums } from './trainers/onnx/metrics.ts';
export type { Ort, OrtSession, OrtSource, OrtTensor } from './trainers/onnx/ort.ts';
export { Program } from './trainers/onnx/program.ts';
export { splitOf } from './trainers/onnx/split.ts';
export type { Split } from './trainers/onnx/split.ts';
export { train } from './trainers/onnx/train.ts';
export type { Trained, TrainOptions } from './trainers/onnx/train.ts';
