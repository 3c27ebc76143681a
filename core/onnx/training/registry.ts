import { OPSETS } from '../gradients/registry.ts';
import type { Entry } from '../gradients/rule.ts';
import { copyOf } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import { batchNormalization, batchNormalizationGradient } from './batch-normalization.ts';
import { dropout } from './dropout.ts';
import type { TrainingForm } from './form.ts';

/** The operators that compute otherwise while a model trains. */
export const TRAINING_FORMS: Readonly<Record<string, TrainingForm>> = {
  BatchNormalization: batchNormalization,
  Dropout: dropout,
};

/** Gradients of the operators of our own that training forms are written with. */
export const TRAINING_GRADIENTS: Readonly<Record<string, Entry>> = {
  BatchNormalization: { opset: OPSETS, rule: batchNormalizationGradient },
};

/** A node as it is when nobody trains, however it was exported. */
export const inferenceForm = (node: NodeProto): NodeProto => {
  if (node.domain !== '' || TRAINING_FORMS[node.opType] === undefined) return node;
  const copy = copyOf(node);
  if (node.opType === 'Dropout') copy.input = node.input.slice(0, 2);
  if (node.opType === 'BatchNormalization') {
    copy.attribute = node.attribute.filter(({ name }) => name !== 'training_mode');
    copy.output = node.output.slice(0, 1);
  }
  return copy;
};
