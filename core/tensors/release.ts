/**
 * Lets go of an array's memory now; all views of it are empty afterwards. Engines collect large buffers so late that a pass
 * over 1 GB in pieces would hold 1 GB. Where an engine can't (Node 20), it is collected as ever.
 */
export const release = ({ buffer }: ArrayBufferView): void => {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) return;
  (buffer as { transfer?: ArrayBuffer['transfer'] }).transfer?.(0);
};
