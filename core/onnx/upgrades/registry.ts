import * as to from './forms.ts';
import type { Upgrade } from './rule.ts';

/** Operators whose form changed: below which opset the old one stands, and how it is written since. */
export const UPGRADES: Readonly<Record<string, readonly [below: number, Upgrade]>> = {
  BatchNormalization: [14, to.batchNormalization],
  Clip: [11, to.clip],
  Dropout: [12, to.dropout],
  Hardmax: [13, to.flattened],
  LogSoftmax: [13, to.flattened],
  Pad: [11, to.pad],
  ReduceSum: [13, to.listInput('axes')],
  Resize: [11, to.resize],
  RoiAlign: [16, to.roiAlign],
  Scatter: [11, to.renamed('ScatterElements')],
  Slice: [10, to.slice],
  Softmax: [13, to.flattened],
  Split: [13, to.listInput('split')],
  Squeeze: [13, to.listInput('axes')],
  TopK: [10, to.topK],
  Unsqueeze: [13, to.listInput('axes')],
  Upsample: [10, to.resize],
};
