/** Mean and standard deviation of MNIST's training pixels, in [0, 1]. */
export const MNIST_MEAN = 0.1307;
export const MNIST_DEVIATION = 0.3081;
