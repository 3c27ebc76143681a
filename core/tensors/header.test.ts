import { expect, test } from 'vitest';
import { canonicalHeader, encodeHeader, headerLength, parseHeader } from './header.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (json: string, maxTensors = 100) => parseHeader(utf8(json), { maxTensors });
const entry = (dtype: string, shape: string, offsets: string): string =>
  `{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;
const F32 = entry('F32', '2', '0,8');

const prefix = (length: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

test('header length at the limit, above it, and beyond 2^53', () => {
  expect(headerLength(prefix(100n), 100)).toEqual({ ok: true, value: 100 });
  const fault = (length: bigint) => headerLength(prefix(length), 100);
  expect(fault(101n)).toMatchObject({ error: { reason: 'header-too-long', got: '101' } });
  expect(fault(2n ** 53n + 2n)).toMatchObject({ error: { got: '9007199254740994' } });
  expect(fault(2n ** 64n - 1n)).toMatchObject({ error: { got: '18446744073709551615' } });
  expect(fault(1n)).toMatchObject({ error: { reason: 'header-malformed' } });
  expect(headerLength(new Uint8Array(7), 100)).toMatchObject({ error: { reason: 'truncated' } });
});

test('names that an object would mangle are ordinary, in data order', () => {
  const json = `{"10":${entry('U8', '1', '8,9')},"2":${entry('U8', '1', '9,10')},"__proto__":${F32}}`;
  const result = parse(json);
  if (!result.ok) throw new Error(result.error.reason);
  expect(result.value.entries.map((e) => e.name)).toEqual(['__proto__', '10', '2']);
  expect(result.value.byName.get('__proto__')?.end).toBe(8);
  expect(result.value.dataBytes).toBe(10);
});

test('scalars, empty tensors, metadata, escapes and spaces', () => {
  const json = `{ "__metadata__" : {"a\\u00e9\\"":"\\n"}, "s":${entry('F64', '', '0,8')},
    "e":${entry('F32', '0,7', '8,8')} , "t":${entry('F32', '1', '8,12')} }   `;
  const result = parse(json);
  if (!result.ok) throw new Error(result.error.reason);
  expect(result.value.entries.map((e) => e.name)).toEqual(['s', 'e', 't']);
  expect([...result.value.metadata]).toEqual([['aé"', '\n']]);
  expect(parse('{}')).toMatchObject({ ok: true, value: { dataBytes: 0 } });
});

test.each([
  ['header-malformed', ''],
  ['header-malformed', ' {}'],
  ['header-malformed', '\ufeff{}'],
  ['header-malformed', '[]'],
  ['header-malformed', '{}x'],
  ['header-malformed', '{}{}'],
  ['header-malformed', '{"a"'],
  ['header-malformed', `{"a":${F32},}`],
  ['header-malformed', `{"a":${F32}`],
  ['header-malformed', `{a:${F32}}`],
  ['header-malformed', `{"a\u0001":${F32}}`],
  ['header-malformed', `{"a\\x":${F32}}`],
  ['header-malformed', '{"a'],
  ['header-malformed', '{"a\\'],
  ['header-malformed', '{"a":null}'],
  ['header-malformed', '{"a":{}}'],
  ['header-malformed', '{"a":{"dtype":"F32","shape":[2]}}'],
  ['header-malformed', '{"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}'],
  ['header-malformed', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}'],
  ['header-malformed', `{"a":${entry('F32', '2.0', '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '2e0', '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '-2', '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '02', '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '9007199254740992', '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '9'.repeat(100_000), '0,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '2', '8,0')}}`],
  ['header-malformed', `{"a":${entry('F32', '2', '0,8,8')}}`],
  ['header-malformed', `{"a":${entry('F32', '2', '0')}}`],
  ['header-malformed', '{"__metadata__":{"a":1}}'],
  ['header-malformed', '{"__metadata__":null}'],
  ['header-malformed', '['.repeat(100_000)],
  ['duplicate-name', `{"a":${F32},"a":${F32}}`],
  ['duplicate-name', `{"a":${F32},"\\u0061":${entry('F32', '1', '8,12')}}`],
  ['duplicate-name', `{"__metadata__":{},"__metadata__":{}}`],
  ['duplicate-name', `{"__metadata__":{"a":"","a":""}}`],
  ['duplicate-name', '{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}'],
  ['bad-name', `{"":${F32}}`],
  ['bad-name', `{"${'x'.repeat(10_000)}":${F32}}`],
  ['bad-name', `{"a\\u0000":${F32}}`],
  ['bad-name', `{"\\ud800":${F32}}`],
  ['bad-dtype', `{"a":${entry('F33', '2', '0,8')}}`],
  ['bad-dtype', `{"a":${entry('constructor', '2', '0,8')}}`],
  ['bad-shape', `{"a":${entry('F32', '3', '0,8')}}`],
  ['bad-shape', `{"a":${entry('F32', '4294967296,4294967296', '0,0')}}`],
  ['overlap', `{"a":${F32},"b":${entry('F32', '2', '4,12')}}`],
  ['overlap', `{"a":${F32},"b":${F32}}`],
  ['hole', `{"a":${entry('F32', '2', '4,12')}}`],
  ['hole', `{"a":${F32},"b":${entry('F32', '1', '12,16')}}`],
  ['unaligned', `{"a":${entry('U8', '2', '0,2')},"b":${entry('F32', '1', '2,6')}}`],
])('%s: %.80s', (reason, json) => {
  const result = parse(json);
  expect(result).toMatchObject({ ok: false, error: { reason } });
  if (!result.ok) expect(JSON.stringify(result.error).length).toBeLessThan(400);
});

test('bytes that are not UTF-8', () => {
  const bytes = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d);
  expect(parseHeader(bytes, { maxTensors: 1 })).toMatchObject({
    error: { reason: 'header-malformed', expected: 'UTF-8' },
  });
});

test('as many tensors as allowed, and one over', () => {
  const two = `{"a":${F32},"b":${entry('F32', '1', '8,12')}}`;
  expect(parse(two, 2).ok).toBe(true);
  expect(parse(two, 1)).toMatchObject({ error: { reason: 'too-many-tensors' } });
});

test('the canonical header does not depend on metadata, key order or spaces', () => {
  const rest = `"__metadata__":{"x":"y"},  "a":${F32}`;
  const one = parse(`{${rest},"b":${entry('F32', '1', '8,12')}}`);
  const two = parse(`{"b":${entry('F32', '1', '8,12')},"a":${F32}}`);
  if (!one.ok || !two.ok) throw new Error('a good header was refused');
  const header = canonicalHeader(one.value);
  expect(header).toEqual(canonicalHeader(two.value));
  expect(header.length % 8).toBe(0);
  expect(new TextDecoder().decode(header.subarray(8))).toBe(
    `{"a":${F32},"b":${entry('F32', '1', '8,12')}}`.padEnd(header.length - 8),
  );
  expect(encodeHeader(one.value.entries, one.value.metadata).length).toBeGreaterThan(header.length);
});
