import { DTYPES } from '../../tensors/dtype.ts';
import type { TensorSpec } from '../../tensors/layout.ts';
import { blockwise } from './blockwise.ts';
import type { Codec } from './codec.ts';
import { blockwise8, float4, normfloat4 } from './code-tables.ts';
import { float16 } from './float16.ts';

/** Every quantisation: one line each. */
const CODECS: readonly Codec[] = [
  float16,
  blockwise(blockwise8),
  blockwise(float4),
  blockwise(normfloat4),
];

const byType: ReadonlyMap<string, Codec> = new Map(CODECS.map((codec) => [codec.type, codec]));

/** The quantisation of that name, if there is one. */
export const findCodec = (type: string): Codec | undefined => byType.get(type);

export const codecTypes: readonly string[] = [...byType.keys()];

/** Whether a quantisation makes such a tensor smaller: it is of floats with more bits. */
export const codes = ({ bits }: Codec, { dtype }: Pick<TensorSpec, 'dtype'>): boolean =>
  DTYPES[dtype].float && 8 * DTYPES[dtype].bytes > bits;
