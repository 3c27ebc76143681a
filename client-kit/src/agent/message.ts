import { decode, encodeParts } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';

/** The part of a message that isn't tensors. */
export type Head = Readonly<Record<string, unknown>>;

/** What travels through a pipe, both ways: a JSON object, and named tensors where there are any. */
export interface Message {
  readonly head: Head;
  readonly tensors?: Tensors | undefined;
}

/** A message's bytes, in pieces that are views of the tensors, not copies. */
export interface Encoded {
  readonly type: string;
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}

export const JSON_TYPE = 'application/json';
export const SAFETENSORS_TYPE = 'application/x-safetensors';
/** Key in `__metadata__` of a message with tensors that holds its head, in JSON. */
const HEAD_KEY = 'agent';

/** Bytes that are no message. */
export class MessageError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'MessageError';
  }
}

/** Without tensors the head in JSON, with them a safetensors file. Throws RangeError on tensors that aren't any. */
export const encodeMessage = ({ head, tensors }: Message): Encoded => {
  const said = JSON.stringify(head);
  if (!tensors) return { type: JSON_TYPE, parts: [new TextEncoder().encode(said)] };
  const parts = encodeParts(tensors, new Map([[HEAD_KEY, said]])) as Uint8Array<ArrayBuffer>[];
  return { type: SAFETENSORS_TYPE, parts };
};

/** Tensors are views of `bytes`. Throws MessageError. */
export const decodeMessage = (type: string, bytes: Uint8Array): Message => {
  if (type === JSON_TYPE) return { head: headOf(new TextDecoder().decode(bytes)) };
  if (type !== SAFETENSORS_TYPE)
    throw new MessageError(`expected ${SAFETENSORS_TYPE}, got ${type}`);
  const file = decode(bytes);
  if (!file.ok) {
    const { reason, tensor, expected, got } = file.error;
    throw new MessageError(
      `${reason}${tensor ? ` '${tensor}'` : ''}: expected ${expected}, got ${got}`,
    );
  }
  const { metadata, tensors } = file.value;
  return { head: headOf(metadata.get(HEAD_KEY) ?? ''), tensors };
};

export const bytesOf = ({ parts }: Encoded): number =>
  parts.reduce((n, part) => n + part.length, 0);

/** A message's pieces as one. */
export const joined = (encoded: Encoded): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(bytesOf(encoded));
  let at = 0;
  for (const part of encoded.parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const headOf = (text: string): Head => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MessageError('the head is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MessageError('the head is no JSON object');
  return value as Head;
};
