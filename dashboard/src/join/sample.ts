import { EXAMPLES, PARTS } from 'virtual:digits';
import { bytesText } from '../dom.ts';

/** What the sample is, and is not. */
export const sampleText = (): string =>
  `${EXAMPLES} handwritten digits of the public MNIST collection (${bytesText(PARTS[0]?.bytes ?? 0)}), ` +
  `one of ${PARTS.length} such parts by chance. Nothing of yours, and enough to see how it works.`;

/** Brings one part of the sample, by chance. */
export const fetchSample = async (): Promise<File> => {
  const part = Math.floor(Math.random() * PARTS.length);
  const answer = await fetch(PARTS[part]?.url ?? '');
  if (!answer.ok) throw new Error(`the sample data can not be loaded (HTTP ${answer.status})`);
  return new File([await answer.blob()], `mnist-digits-${part + 1}.npz`);
};
