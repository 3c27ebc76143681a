// What @tensorflow/tfjs is made of, as far as the examples need it.
export * from '@tensorflow/tfjs-core';
export * from '@tensorflow/tfjs-layers';
