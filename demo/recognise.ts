import * as ort from 'onnxruntime-web';
import type { Examples } from '../cli/src/data/dataset.ts';
import { drawDigit, pick } from './digits.ts';

const COLUMNS = 4;

/** The digits as plain ONNX Runtime reads them with an ordinary ONNX file: nothing of ours is involved. */
export const recognise = async (model: Uint8Array, digits: Examples): Promise<number[]> => {
  const session = await ort.InferenceSession.create(model);
  const [input = ''] = session.inputNames;
  const [output = ''] = session.outputNames;
  const x = new ort.Tensor('uint8', digits.x.data as Uint8Array, [...digits.x.shape]);
  const logits = (await session.run({ [input]: x }))[output];
  await session.release();
  if (!logits) throw new Error('the exported model has no output');
  const scores = logits.data as Float32Array;
  const classes = scores.length / digits.y.length;
  return Array.from(digits.y, (_, i) => {
    const row = scores.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
};

/** Digits as text, four abreast, each with what was recognised and what it is. */
export const drawDigits = (digits: Examples, recognised: readonly number[]): string => {
  const drawn = recognised.map((guess, i) => {
    const image = pick(digits, [i]).x.data as Uint8Array;
    const truth = digits.y[i] ?? 0;
    const lines = drawDigit(image);
    const width = lines[0]?.length ?? 0;
    return [...lines, `${guess} ${guess === truth ? '(right)' : `(it is ${truth})`}`.padEnd(width)];
  });
  const rows: string[] = [];
  for (let at = 0; at < drawn.length; at += COLUMNS) {
    const abreast = drawn.slice(at, at + COLUMNS);
    for (const [line] of (abreast[0] ?? []).entries()) {
      rows.push(`  ${abreast.map((digit) => digit[line] ?? '').join('')}`.trimEnd());
    }
  }
  return rows.join('\n');
};
