/**
 * `patch(model)`: a TensorFlow.js LayersModel in a federation, with what a script needs around it. TensorFlow.js itself is
 * yours to bring.
 */
export { init, isRunning } from './client-api.ts';
export { patch } from './patch/tfjs.ts';
export type { TfModel } from './patch/tfjs.ts';
