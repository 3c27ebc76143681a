import type { Dtype } from '../../tensors/dtype.ts';
import type { NodeView } from '../node-view.ts';

/** What a WebGPU kernel of ONNX Runtime takes. */
export interface Kernel {
  /** Element types of the data; left out where it takes all. */
  readonly types?: readonly Dtype[];
  /** The input that holds the data. Default 0. */
  readonly data?: number;
  /** What it refuses when it runs, although the session loads. */
  readonly refuses?: (n: NodeView) => string | undefined;
}

const FLOATS = ['F32', 'F16'] as const;
const NUMBERS = [...FLOATS, 'I32', 'U32'] as const;
const VALUES = [...NUMBERS, 'BOOL'] as const;
const BYTES = [...VALUES, 'U8'] as const;

const floats: Kernel = { types: FLOATS };
const numbers: Kernel = { types: NUMBERS };
const values: Kernel = { types: VALUES };
const bytes: Kernel = { types: BYTES };

const spatial = (n: NodeView): number => n.rank(0) - 2;

const dilatedSame = (n: NodeView): string | undefined =>
  n.text('auto_pad', 'NOTSET').startsWith('SAME') && n.ints('dilations')?.some((by) => by !== 1)
    ? 'its kernel has no dilations beside auto_pad'
    : undefined;

/**
 * The operators that ONNX Runtime's WebGPU provider has kernels for, found by loading each alone, for each element type,
 * with the fallback to the CPU switched off (onnxruntime-node 1.30 on SwiftShader). What isn't here runs on the CPU.
 */
export const KERNELS: Readonly<Record<string, Kernel>> = {
  Abs: floats,
  Acos: floats,
  Acosh: floats,
  Add: numbers,
  And: { types: ['BOOL'] },
  ArgMax: numbers,
  ArgMin: numbers,
  Asin: floats,
  Asinh: floats,
  Atan: floats,
  Atanh: floats,
  AveragePool: floats,
  BatchNormalization: {
    ...floats,
    refuses: (n) =>
      n.int('training_mode', 0) === 1 ? 'its kernel has no training mode' : undefined,
  },
  Cast: {
    ...bytes,
    refuses: (n) => (n.int('to', 1) === 11 ? 'its kernel makes no float64' : undefined),
  },
  CastLike: bytes, // written out as a Cast when the graph is loaded
  Ceil: floats,
  Clip: numbers,
  Concat: numbers,
  ConstantOfShape: {},
  Conv: {
    ...floats,
    refuses: (n) =>
      spatial(n) > 2 && n.int('group', 1) > 1
        ? 'its kernel for three dimensions has no groups'
        : dilatedSame(n),
  },
  ConvTranspose: {
    ...floats,
    refuses: (n) =>
      spatial(n) > 2 ? 'its kernel has two spatial dimensions at most' : dilatedSame(n),
  },
  Cos: floats,
  Cosh: floats,
  CumSum: numbers,
  DepthToSpace: floats,
  Div: numbers,
  Einsum: floats,
  Elu: floats,
  Equal: numbers,
  Erf: floats,
  Exp: floats,
  Expand: bytes,
  Flatten: values,
  Floor: floats,
  GRU: floats,
  Gather: bytes,
  GatherElements: floats,
  GatherND: numbers,
  Gelu: floats,
  Gemm: numbers,
  GlobalAveragePool: floats,
  GlobalMaxPool: floats,
  Greater: numbers,
  GreaterOrEqual: numbers,
  GridSample: floats,
  HardSigmoid: floats,
  HardSwish: floats,
  Identity: numbers,
  InstanceNormalization: floats,
  LSTM: floats,
  LayerNormalization: floats,
  LeakyRelu: floats,
  Less: numbers,
  LessOrEqual: numbers,
  Log: floats,
  LpNormalization: floats,
  MatMul: floats,
  Max: numbers,
  MaxPool: {
    ...floats,
    refuses: (n) => (n.out(1) === '' ? undefined : 'its kernel does not say where the maxima lie'),
  },
  Min: numbers,
  Mish: floats,
  Mul: numbers,
  Neg: floats,
  Not: { types: ['BOOL'] },
  PRelu: numbers,
  Pad: numbers,
  Pow: { types: ['F32', 'F16', 'I32'] },
  RMSNormalization: floats,
  Range: { types: ['F32', 'I32'] },
  Reciprocal: floats,
  ReduceL1: numbers,
  ReduceL2: numbers,
  ReduceLogSum: numbers,
  ReduceLogSumExp: numbers,
  ReduceMax: numbers,
  ReduceMean: numbers,
  ReduceMin: numbers,
  ReduceProd: numbers,
  ReduceSum: numbers,
  ReduceSumSquare: numbers,
  Relu: floats,
  Reshape: bytes,
  Resize: {
    ...numbers,
    refuses: (n) => (n.int('antialias', 0) === 1 ? 'its kernel has no antialias' : undefined),
  },
  RotaryEmbedding: floats,
  ScatterElements: numbers,
  ScatterND: numbers,
  Shape: {},
  Sigmoid: floats,
  Sin: floats,
  Sinh: floats,
  Slice: floats,
  Softmax: floats,
  Softplus: floats,
  Split: numbers,
  Sqrt: floats,
  Squeeze: numbers,
  Sub: numbers,
  Swish: floats,
  Tan: floats,
  Tanh: floats,
  ThresholdedRelu: floats,
  Tile: numbers,
  TopK: floats,
  Transpose: numbers,
  Trilu: numbers,
  Unsqueeze: values,
  Where: { ...values, data: 1 },
};
