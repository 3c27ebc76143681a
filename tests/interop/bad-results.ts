import { entry, flModel, floats, headerOf, join, rawFile, vectors } from './raw-file.ts';
import { resultOf } from './rig.ts';
import type { ProblemShape } from './rig.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** A result that must be refused, and how. The model has tensors `w` (4 float32) and `b` (2). */
export interface BadResult {
  readonly what: string;
  readonly body: () => Bytes | string;
  readonly headers?: Record<string, string>;
  readonly problem: ProblemShape;
}

const FL = flModel({ params_type: 'FULL' });
const W = [1, 2, 3, 4];
const B = [5, 6];
const good = (): Bytes => resultOf({ w: W, b: B });
const data = floats([...W, ...B]);
const invalid = (code: string, path?: string | RegExp): ProblemShape => ({
  status: 422,
  code,
  ...(path === undefined ? {} : { path }),
});

/** A file whose header says these things about 24 bytes of data. */
const file = (...members: string[]): Bytes => rawFile(headerOf(FL, ...members), data);
const w = entry('w', [4], [0, 16]);
const b = entry('b', [2], [16, 24]);
const MALFORMED = invalid('HEADER_MALFORMED');

/** Bytes that are no safetensors file. */
export const BAD_FILES: readonly BadResult[] = [
  { what: 'an empty body', body: () => new Uint8Array(), problem: invalid('TRUNCATED') },
  {
    what: 'a body cut in its first 8 bytes',
    body: () => good().subarray(0, 5),
    problem: invalid('TRUNCATED'),
  },
  {
    what: 'a body cut in its header',
    body: () => good().subarray(0, 40),
    problem: invalid('TRUNCATED'),
  },
  {
    what: 'a body shorter than its header says',
    body: () => good().subarray(0, good().length - 4),
    problem: invalid('TRUNCATED'),
  },
  {
    what: 'a body longer than its header says',
    body: () => join(good(), new Uint8Array(4)),
    problem: invalid('LENGTH_MISMATCH'),
  },
  {
    what: 'a header over its limit',
    body: () => rawFile(headerOf(FL, w, b), data, 8n * 1024n * 1024n + 1n),
    problem: invalid('HEADER_TOO_LONG'),
  },
  {
    what: 'a header length beyond 2^53',
    body: () => rawFile(headerOf(FL, w, b), data, 2n ** 64n - 1n),
    problem: invalid('HEADER_TOO_LONG'),
  },
  { what: 'a header that is not JSON', body: () => file('oops'), problem: MALFORMED },
  { what: 'a header that is an array', body: () => rawFile('[]', data), problem: MALFORMED },
  {
    what: 'a header that is not UTF-8',
    body: () =>
      join(
        new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0]),
        new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
      ),
    problem: MALFORMED,
  },
  {
    what: 'a tensor named twice',
    body: () => file(w, w, b),
    problem: invalid('DUPLICATE_NAME', 'w'),
  },
  {
    what: 'a tensor named twice, once in escapes',
    body: () => file(w, b.replace('"b"', '"\\u0077"')),
    problem: invalid('DUPLICATE_NAME', 'w'),
  },
  {
    what: 'overlapping tensors',
    body: () => file(w, entry('b', [2], [12, 20])),
    problem: invalid('OVERLAP', 'b'),
  },
  {
    what: 'a hole between tensors',
    body: () => rawFile(headerOf(FL, w, entry('b', [2], [20, 28])), join(data, new Uint8Array(4))),
    problem: invalid('HOLE', 'b'),
  },
  {
    what: 'a hole before the first tensor',
    body: () => file(entry('w', [4], [4, 20]), entry('b', [2], [20, 28])),
    problem: invalid('HOLE', 'w'),
  },
  {
    what: 'unaligned tensors',
    body: () =>
      rawFile(
        headerOf(
          FL,
          entry('x', [1], [0, 1], 'U8'),
          entry('w', [4], [1, 17]),
          entry('b', [2], [17, 25]),
        ),
        join(new Uint8Array(1), data),
      ),
    problem: invalid('UNALIGNED', 'w'),
  },
  {
    what: 'bytes that no tensor claims',
    body: () => rawFile(headerOf(FL, w, b), join(data, data)),
    problem: invalid('LENGTH_MISMATCH'),
  },
  {
    what: 'offsets beyond 2^53',
    body: () => file(w, entry('b', [2], [16, '9007199254740993'])),
    problem: MALFORMED,
  },
  {
    what: 'a shape beyond 2^53',
    body: () => file(w, entry('b', ['9007199254740991', '9007199254740991'], [16, 24])),
    problem: invalid('BAD_SHAPE', 'b'),
  },
  { what: 'negative offsets', body: () => file(w, entry('b', [2], [-8, 0])), problem: MALFORMED },
  {
    what: 'offsets that run backwards',
    body: () => file(w, entry('b', [2], [24, 16])),
    problem: MALFORMED,
  },
  {
    what: 'a shape whose product is not the bytes',
    body: () => file(w, entry('b', [3], [16, 24])),
    problem: invalid('BAD_SHAPE', 'b'),
  },
  {
    what: 'an unknown dtype',
    body: () => file(w, entry('b', [2], [16, 24], 'F33')),
    problem: invalid('BAD_DTYPE', 'b'),
  },
  {
    what: 'a name with control characters',
    body: () => file(w, entry('b\u0007', [2], [16, 24])),
    problem: invalid('BAD_NAME'),
  },
  {
    what: 'a name of 10,000 characters',
    body: () => file(w, entry('b'.repeat(10_000), [2], [16, 24])),
    problem: invalid('BAD_NAME'),
  },
];

/** Good files that are no answer to the task. */
export const BAD_UPDATES: readonly BadResult[] = [
  {
    what: 'an unknown tensor',
    body: () => resultOf({ w: W, c: B }),
    problem: invalid('UNKNOWN_TENSOR', 'c'),
  },
  {
    what: 'a tensor called __proto__',
    body: () => resultOf({ w: W, b: B, ['__proto__']: [1] }),
    problem: invalid('UNKNOWN_TENSOR', '__proto__'),
  },
  {
    what: 'a tensor called 0',
    body: () => resultOf({ 0: [1], w: W, b: B }),
    problem: invalid('UNKNOWN_TENSOR', '0'),
  },
  {
    what: 'a missing tensor',
    body: () => resultOf({ w: W }),
    problem: invalid('MISSING_TENSOR', 'b'),
  },
  { what: 'no tensor at all', body: () => resultOf({}), problem: invalid('NO_TENSORS') },
  {
    what: 'no tensor at all, in JSON',
    body: () => JSON.stringify({ params_type: 'FULL' }),
    headers: { 'content-type': 'application/json' },
    problem: invalid('NO_TENSORS'),
  },
  {
    what: 'a wrong dtype',
    body: () => file(w, entry('b', [2], [16, 24], 'I32')),
    problem: invalid('WRONG_DTYPE', 'b'),
  },
  {
    what: 'a wrong shape',
    body: () => file(entry('w', [2, 2], [0, 16]), b),
    problem: invalid('WRONG_SHAPE', 'w'),
  },
  {
    what: 'NaN',
    body: () => resultOf({ w: [1, 2, Number.NaN, 4], b: B }),
    problem: invalid('NON_FINITE', 'w'),
  },
  {
    what: 'an infinity',
    body: () => resultOf({ w: W, b: [5, -Infinity] }),
    problem: invalid('NON_FINITE', 'b'),
  },
  {
    what: 'no fl_model',
    body: () => vectors({ w: W, b: B }),
    problem: invalid('NO_FL_MODEL', '__metadata__.fl_model'),
  },
  {
    what: 'an fl_model that is not JSON',
    body: () => vectors({ w: W, b: B }, flModel('{oops')),
    problem: invalid('INVALID_RESULT', '__metadata__.fl_model'),
  },
  {
    what: 'an unknown params_type',
    body: () => resultOf({ w: W, b: B }, { params_type: 'HALF' }),
    problem: invalid('INVALID_RESULT', '__metadata__.fl_model.params_type'),
  },
  {
    what: 'an unknown return code',
    body: () => resultOf({ w: W, b: B }, { return_code: 'FINE' }),
    problem: invalid('INVALID_RESULT', '__metadata__.fl_model.return_code'),
  },
  {
    what: 'more steps than anybody takes',
    body: () => resultOf({ w: W, b: B }, { meta: { NUM_STEPS_CURRENT_ROUND: 1e12 } }),
    problem: invalid('WEIGHT_TOO_LARGE', 'meta.NUM_STEPS_CURRENT_ROUND'),
  },
  {
    what: 'an unknown set of tensors',
    body: () => resultOf({ w: W, b: B }, { sets: { extra: { kind: 'WEIGHTS', prefix: '' } } }),
    problem: invalid('UNKNOWN_SET', 'sets.extra'),
  },
  {
    what: 'JSON that is not JSON',
    body: () => '{"params_type": ',
    headers: { 'content-type': 'application/json' },
    problem: { status: 400, code: 'MALFORMED' },
  },
  {
    what: 'another media type',
    body: good,
    headers: { 'content-type': 'text/plain' },
    problem: { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' },
  },
  {
    what: 'a body far larger than the model',
    body: () =>
      rawFile(headerOf(FL, entry('w', [4_000_000], [0, 16_000_000])), new Uint8Array(16_000_000)),
    problem: { status: 413, code: 'TOO_LARGE' },
  },
  {
    what: 'bytes with another digest than named',
    body: good,
    headers: { 'repr-digest': `sha-256=:${'A'.repeat(43)}=:` },
    problem: invalid('DIGEST_MISMATCH'),
  },
  {
    what: 'a part without the digest of the whole',
    body: good,
    headers: { 'content-range': 'bytes 0-9/100' },
    problem: { status: 400, code: 'MALFORMED' },
  },
];

/** The values that a good answer gives. */
export const ANSWER = { w: W, b: B };
