// Peers that the bench installs for itself: what it uses of them is typed where it does.
declare module '@jax-js/jax';
declare module '@jax-js/onnx';
declare module '@tensorflow/tfjs';
declare module '@tensorflow/tfjs-backend-wasm';
