import type { NodeView } from './node-view.ts';

/** The sliding window of a convolution or pool, one entry per spatial axis, with `auto_pad` resolved. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  /** Spatial size of the input and of the output. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  /** Whether `ceil_mode` left out a last window, one that would start in the end padding. */
  readonly dropsWindow: boolean;
}

/** Extent of a dilated kernel. */
const extent = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

/**
 * Window of Conv, MaxPool, AveragePool (ONNX's formulas): out = floor((in + pads - extent) / stride) + 1, ceil with
 * `ceil_mode`, where a last window that starts in the end padding is dropped. Spatial sizes must be numbers.
 */
export const windowOf = (n: NodeView, kernel: readonly number[]): Window => {
  const rank = kernel.length;
  const spatial = n.shape(0).slice(2);
  if (spatial.length !== rank)
    n.malformed(`expected ${rank} spatial dimensions, got ${spatial.length}`);
  const input = spatial.map((dim) => n.number(dim, 'because a window slides over it'));
  const strides = n.ints('strides') ?? kernel.map(() => 1);
  const dilations = n.ints('dilations') ?? kernel.map(() => 1);
  const pads = n.ints('pads') ?? [];
  const autoPad = n.text('auto_pad', 'NOTSET');
  const ceil = n.int('ceil_mode', 0) === 1;
  const padsBegin: number[] = [];
  const padsEnd: number[] = [];
  const output: number[] = [];
  let dropsWindow = false;
  for (let axis = 0; axis < rank; axis++) {
    const size = input[axis] ?? 0;
    const stride = strides[axis] ?? 1;
    const length = extent(kernel[axis] ?? 1, dilations[axis] ?? 1);
    if (autoPad.startsWith('SAME')) {
      const out = Math.ceil(size / stride);
      const total = Math.max(0, (out - 1) * stride + length - size);
      const small = Math.floor(total / 2);
      padsBegin.push(autoPad === 'SAME_LOWER' ? total - small : small);
      padsEnd.push(autoPad === 'SAME_LOWER' ? small : total - small);
      output.push(out);
      continue;
    }
    const begin = autoPad === 'VALID' ? 0 : (pads[axis] ?? 0);
    const end = autoPad === 'VALID' ? 0 : (pads[rank + axis] ?? 0);
    const steps = (size + begin + end - length) / stride;
    let out = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    const open = ceil && (out - 1) * stride >= size + begin;
    if (open) out -= 1;
    dropsWindow ||= open;
    if (out < 1) n.malformed(`the window is larger than its input along spatial axis ${axis}`);
    padsBegin.push(begin);
    padsEnd.push(end);
    output.push(out);
  }
  return { kernel, strides, dilations, padsBegin, padsEnd, input, output, dropsWindow };
};

/**
 * Window of a ConvTranspose, seen from its output Y: it slides over Y and leaves X. Y is `output_shape` large, or
 * stride * X with auto_pad SAME, or stride * (X - 1) + output_padding + extent - pads. Padding that isn't given is what
 * is over; an odd cell of it goes to the beginning, to the end with SAME_UPPER (as ONNX Runtime has it).
 */
export const windowOfTransposed = (n: NodeView): Window => {
  const kernel = n
    .shape(1)
    .slice(2)
    .map((dim) => n.number(dim, 'because it is a kernel'));
  const rank = kernel.length;
  const output = n
    .shape(0)
    .slice(2)
    .map((dim) => n.number(dim, 'because a window slides over it'));
  const strides = n.ints('strides') ?? kernel.map(() => 1);
  const dilations = n.ints('dilations') ?? kernel.map(() => 1);
  const pads = n.ints('pads') ?? [];
  const autoPad = n.text('auto_pad', 'NOTSET');
  const whole = kernel.map(
    (size, axis) =>
      (strides[axis] ?? 1) * ((output[axis] ?? 1) - 1) +
      (n.ints('output_padding')?.[axis] ?? 0) +
      extent(size, dilations[axis] ?? 1),
  );
  const same = output.map((size, axis) => size * (strides[axis] ?? 1));
  const asked = n.ints('output_shape')?.slice(-rank) ?? (autoPad.startsWith('SAME') ? same : []);
  const over = whole.map((size, axis) => Math.max(0, size - (asked[axis] ?? size)));
  const less = over.map((total) => Math.floor(total / 2));
  const more = over.map((total, axis) => total - (less[axis] ?? 0));
  const given = asked.length === 0 && autoPad === 'NOTSET';
  const padsBegin = given
    ? kernel.map((_, axis) => pads[axis] ?? 0)
    : autoPad === 'SAME_UPPER'
      ? less
      : more;
  const padsEnd = given
    ? kernel.map((_, axis) => pads[rank + axis] ?? 0)
    : autoPad === 'SAME_UPPER'
      ? more
      : less;
  const input = whole.map((size, axis) => size - (padsBegin[axis] ?? 0) - (padsEnd[axis] ?? 0));
  return { kernel, strides, dilations, padsBegin, padsEnd, input, output, dropsWindow: false };
};

/** The window in attributes of its own: no auto_pad, which runtimes refuse beside dilations. */
export const explicit = (w: Window): Record<string, readonly number[]> => ({
  kernel_shape: w.kernel,
  strides: w.strides,
  dilations: w.dilations,
  pads: [...w.padsBegin, ...w.padsEnd],
});

/**
 * Attributes of the ConvTranspose that spreads the window's outputs back onto its inputs, exactly `input` large:
 * what the windows didn't reach at the end is output padding, what they overran is cut as end padding.
 */
export const transposedWindow = (w: Window): Record<string, readonly number[]> => {
  const reach = w.kernel.map(
    (kernel, axis) =>
      ((w.output[axis] ?? 1) - 1) * (w.strides[axis] ?? 1) +
      extent(kernel, w.dilations[axis] ?? 1) -
      (w.padsBegin[axis] ?? 0),
  );
  const over = reach.map((end, axis) => end - (w.input[axis] ?? 0));
  return {
    kernel_shape: w.kernel,
    strides: w.strides,
    dilations: w.dilations,
    pads: [...w.padsBegin, ...over.map((by) => Math.max(0, by))],
    output_padding: over.map((by) => Math.max(0, -by)),
  };
};

/** Whether the windows cover the input once, side by side. */
export const tiles = (w: Window): boolean =>
  w.kernel.every(
    (kernel, axis) =>
      w.strides[axis] === kernel &&
      w.dilations[axis] === 1 &&
      w.padsBegin[axis] === 0 &&
      (w.output[axis] ?? 0) * kernel === w.input[axis],
  );

/** How many windows positions each output counts: the kernel's cells that lie on the input (or on it and its padding). */
export const cellCounts = (w: Window, includePadding: boolean): number[] => {
  let counts = [1];
  for (let axis = 0; axis < w.kernel.length; axis++) {
    const along: number[] = [];
    for (let o = 0; o < (w.output[axis] ?? 0); o++) {
      let cells = 0;
      for (let k = 0; k < (w.kernel[axis] ?? 0); k++) {
        const at =
          o * (w.strides[axis] ?? 1) + k * (w.dilations[axis] ?? 1) - (w.padsBegin[axis] ?? 0);
        const low = includePadding ? -(w.padsBegin[axis] ?? 0) : 0;
        const high = (w.input[axis] ?? 0) + (includePadding ? (w.padsEnd[axis] ?? 0) : 0);
        if (at >= low && at < high) cells += 1;
      }
      along.push(cells);
    }
    counts = counts.flatMap((count) => along.map((cells) => count * cells));
  }
  return counts;
};
