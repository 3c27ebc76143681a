import { fromFront } from './node-view.ts';
import type { NodeView } from './node-view.ts';
import { allStatic } from './dim.ts';
import type { Dim } from './dim.ts';

/** How Resize maps one axis: from `input` cells to `output`, `scale` = output / input as the node says it. */
export interface Resampled {
  readonly axis: number;
  readonly input: number;
  readonly output: number;
  readonly scale: number;
}

/** Scales of all axes that Resize names; undefined where they aren't constants. */
const scalesOf = (n: NodeView): readonly number[] | undefined => {
  const tensor = n.has(2) ? n.scope.constants.get(n.in(2)) : undefined;
  return tensor !== undefined && tensor.data.length > 0
    ? Array.from(tensor.data, Number)
    : n.known(2)?.map(Number);
};

const axesOf = (n: NodeView): readonly number[] =>
  fromFront(n.ints('axes') ?? n.shape(0).map((_, axis) => axis), n.rank(0));

/** Sizes of Resize's output, and the axes it changes. The whole shape, with names for what can't be told. */
export const resizedShape = (n: NodeView): readonly Dim[] => {
  const shape = [...n.shape(0)];
  const axes = axesOf(n);
  const sizes = n.has(3) ? n.known(3) : undefined;
  const scales = scalesOf(n);
  const kept = keptRatio(n, axes, sizes);
  axes.forEach((axis, i) => {
    const dim = shape[axis] ?? 0;
    const scale = kept ?? scales?.[i];
    if (kept === undefined && sizes !== undefined) shape[axis] = sizes[i] ?? n.unknown(axis);
    else if (scale === 1) return;
    else if (typeof dim !== 'number' || scale === undefined) shape[axis] = n.unknown(axis);
    else
      shape[axis] =
        kept === undefined
          ? Math.floor(Math.fround(dim * Math.fround(scale)))
          : Math.round(dim * scale);
  });
  return shape;
};

/** The one scale of all axes under `keep_aspect_ratio_policy`. */
const keptRatio = (
  n: NodeView,
  axes: readonly number[],
  sizes: readonly Dim[] | undefined,
): number | undefined => {
  const policy = n.text('keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch' || sizes === undefined) return undefined;
  const input = axes.map((axis) => n.shape(0)[axis] ?? 0);
  if (!allStatic(sizes) || !allStatic(input)) return undefined;
  const ratios = sizes.map((size, i) => size / (input[i] ?? 1));
  return policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
};

/** The axes along which Resize does something; their lengths must be numbers. */
export const resampledOf = (n: NodeView): readonly Resampled[] => {
  const [from, to] = [n.shape(0), n.outShape()];
  const [axes, scales] = [axesOf(n), n.has(3) ? undefined : scalesOf(n)];
  const why = 'because cells are weighed by where they lie in it';
  return axes.flatMap((axis, i): Resampled[] => {
    const [a, b] = [from[axis] ?? 0, to[axis] ?? 0];
    if (a === b && (scales?.[i] ?? 1) === 1) return [];
    const [input, output] = [n.number(a, why), n.number(b, why)];
    return [{ axis, input, output, scale: scales?.[i] ?? output / input }];
  });
};

const f = Math.fround;

/** Where a cell of the output lies in the input. In float32, as the runtime has it: `nearest` rounds halves. */
const placeOf = (n: NodeView, { input, output, scale }: Resampled, cell: number): number => {
  const s = f(scale);
  switch (n.text('coordinate_transformation_mode', 'half_pixel')) {
    case 'asymmetric':
      return f(cell / s);
    case 'pytorch_half_pixel':
      return output > 1 ? f(f((cell + 0.5) / s) - 0.5) : 0;
    case 'align_corners':
      return output === 1 ? 0 : f((cell * (input - 1)) / (output - 1));
    case 'half_pixel_symmetric': {
      const adjusted = f(output / f(s * input));
      const centre = f(input / 2);
      return f(f(centre * (1 - adjusted)) + f(f((cell + 0.5) / s) - 0.5));
    }
    default:
      return f(f((cell + 0.5) / s) - 0.5);
  }
};

const nearest = (n: NodeView, at: number): number => {
  switch (n.text('nearest_mode', 'round_prefer_floor')) {
    case 'floor':
      return Math.floor(at);
    case 'ceil':
      return Math.ceil(at);
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5);
    default:
      return at === Math.floor(at) + 0.5 ? Math.floor(at) : Math.round(at);
  }
};

/** Keys' cubic convolution kernel. */
const cubic = (a: number, x: number): number => {
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
};

/**
 * The weights [output, input] of one axis: y = W x along it. Cells beyond the border count as the border's, unless
 * `exclude_outside`. `antialias` widens the kernel by the reduction.
 */
export const weightsOf = (n: NodeView, along: Resampled): Float32Array<ArrayBuffer> => {
  const { input, output, scale } = along;
  const mode = n.text('mode', 'nearest');
  const weights = new Float32Array(output * input);
  const add = (cell: number, from: number, weight: number): void => {
    const at = cell * input + Math.min(Math.max(from, 0), input - 1);
    weights[at] = (weights[at] ?? 0) + weight;
  };
  const a = n.float('cubic_coeff_a', -0.75);
  const reach = mode === 'cubic' ? 2 : 1;
  const wide = n.int('antialias', 0) === 1 && scale < 1 ? 1 / scale : 1;
  const kernel = (x: number): number =>
    mode === 'cubic' ? cubic(a, x / wide) : Math.max(0, 1 - Math.abs(x / wide));
  const antialiased = n.int('antialias', 0) === 1;
  const inside = n.int('exclude_outside', 0) === 1 && (mode === 'cubic' || antialiased);
  for (let cell = 0; cell < output; cell++) {
    const at = placeOf(n, along, cell);
    if (mode === 'nearest') {
      add(cell, nearest(n, at), 1);
      continue;
    }
    // Linear interpolation stops at the border; so the weights of what lies beyond are the border's.
    const centre = mode === 'linear' && !antialiased ? Math.min(Math.max(at, 0), input - 1) : at;
    const cells: [number, number][] = [];
    for (let from = Math.ceil(centre - reach * wide); from <= centre + reach * wide; from++) {
      const weight = kernel(from - centre);
      if (weight !== 0 && (!inside || (from >= 0 && from < input))) cells.push([from, weight]);
    }
    const summed = cells.reduce((sum, [, weight]) => sum + weight, 0);
    const total = inside || antialiased ? summed : 1;
    for (const [from, weight] of cells) add(cell, from, weight / total);
  }
  return weights;
};
