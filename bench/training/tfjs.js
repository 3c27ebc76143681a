// TensorFlow.js, as a process and as a page run it: the same layers, loss and optimizer in its own layouts (with
// PyTorch's [out, in] it is slower, and that would be our porting, not it). Plain JavaScript: its types are not installed.

const layersOf = (tf, model) => {
  const weights = (...shape) => tf.variable(tf.randomUniform(shape, -0.05, 0.05, 'float32', 1));
  const dense = (inputs, outputs) => ({ w: weights(inputs, outputs), b: weights(outputs) });
  const conv = (inputs, outputs) => ({ w: weights(5, 5, inputs, outputs), b: weights(outputs) });
  return model === 'mlp'
    ? { a: dense(784, 128), b: dense(128, 10) }
    : { c: conv(1, 16), d: conv(16, 32), a: dense(1568, 64), b: dense(64, 10) };
};

const forwardOf = (tf, model, layers, batch) => {
  const dense = (x, { w, b }) => tf.add(tf.matMul(x, w), b);
  const stage = (x, { w, b }) =>
    tf.maxPool(tf.relu(tf.add(tf.conv2d(x, w, 1, 'same'), b)), 2, 2, 'valid');
  const head = (x) => dense(tf.relu(dense(x, layers.a)), layers.b);
  return model === 'mlp'
    ? head
    : (x) =>
        head(
          tf.reshape(stage(stage(tf.reshape(x, [batch, 28, 28, 1]), layers.c), layers.d), [
            batch,
            1568,
          ]),
        );
};

/** A step of `model` ('mlp' or 'cnn') on the backend that `tf` is set to. */
export const tfjsStepper = (tf, model, { x, y, classes }) => {
  const batch = y.length;
  const layers = layersOf(tf, model);
  const forward = forwardOf(tf, model, layers, batch);
  const pixels = tf.tensor2d(x, [batch, 784]);
  const truth = tf.oneHot(tf.tensor1d(y, 'int32'), classes);
  const optimizer = tf.train.sgd(0.01);
  return async () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(truth, forward(pixels)),
      true,
    );
    const [value] = await loss.data();
    loss.dispose();
    return value;
  };
};
