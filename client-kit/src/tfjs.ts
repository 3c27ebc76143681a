/** `patch(model)`: a TensorFlow.js LayersModel in a federation. TensorFlow.js itself is yours to bring. */
export { patch } from './patch/tfjs.ts';
export type { TfModel } from './patch/tfjs.ts';
