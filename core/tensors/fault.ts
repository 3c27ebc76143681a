/**
 * Why bytes are not the tensors they claim to be. `expected` and `got` are for people and for problem documents;
 * `tensor` names the culprit where there is one (cut to 64 characters).
 */
export interface TensorFault {
  readonly reason:
    | 'truncated'
    | 'header-too-long'
    | 'header-malformed'
    | 'too-many-tensors'
    | 'duplicate-name'
    | 'bad-name'
    | 'bad-dtype'
    | 'bad-shape'
    | 'overlap'
    | 'hole'
    | 'unaligned'
    | 'length-mismatch'
    | 'no-tensors'
    | 'unknown-tensor'
    | 'missing-tensor'
    | 'wrong-dtype'
    | 'wrong-shape';
  readonly tensor?: string;
  readonly expected: string;
  readonly got: string;
}

const SHOWN = 64;

/** Text that came from outside, made safe to repeat: at most 64 characters, control characters escaped. */
export const shown = (text: string): string => {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return JSON.stringify(cut).slice(1, -1);
};

/** A fault about one tensor. */
export const tensorFault = (
  reason: TensorFault['reason'],
  tensor: string,
  expected: string,
  got: string,
): TensorFault => ({ reason, tensor: shown(tensor), expected, got });
