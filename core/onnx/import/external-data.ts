import { refuse } from '../fault.ts';
import type { TensorProto } from '../proto/onnx_pb.ts';

/**
 * Files beside the model that hold its large tensors: their bytes by name, or a reader of `length` bytes (to the end, where
 * it is undefined) from `offset`. Undefined means that there is no such file.
 */
export type ExternalData =
  | ReadonlyMap<string, Uint8Array>
  | ((file: string, offset: number, length: number | undefined) => Uint8Array | undefined);

/** Bytes of a tensor whose data lie outside of the model. Refuses a missing file and a path out of the model's folder. */
export const externalBytes = (proto: TensorProto, files: ExternalData | undefined): Uint8Array => {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const file = entries.get('location') ?? '';
  const offset = Number(entries.get('offset') ?? 0);
  const length = entries.has('length') ? Number(entries.get('length')) : undefined;
  if (file === '' || /^[/\\]|^[a-z]:|(^|[/\\])\.\.([/\\]|$)/i.test(file)) {
    return refuse({
      reason: 'malformed_model',
      detail: `tensor ${proto.name} is in external data at ${JSON.stringify(file)}, outside of the model's folder`,
    });
  }
  if (![offset, length ?? 0].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    return refuse({
      reason: 'malformed_model',
      detail: `tensor ${proto.name} is in external data at offset ${offset}, length ${length}`,
    });
  }
  const whole = typeof files === 'function' ? undefined : files?.get(file);
  const bytes =
    typeof files === 'function'
      ? files(file, offset, length)
      : whole?.subarray(offset, length === undefined ? undefined : offset + length);
  return (
    bytes ??
    refuse({
      reason: 'unsupported_model',
      detail: `tensor ${proto.name} is in the file ${file}; give it as external data`,
    })
  );
};
