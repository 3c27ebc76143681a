import { expect, test } from 'vitest';
import { parsePart, parseRange } from './content-range.ts';

test('reads the Content-Range of a part and of a question', () => {
  expect(parsePart('bytes 0-9/10')).toEqual({ kind: 'part', start: 0, end: 10, total: 10 });
  expect(parsePart('bytes */10')).toEqual({ kind: 'ask', total: 10 });
});

test.each([
  'bytes 5-4/10',
  'bytes 0-10/10',
  'bytes 0-9/*',
  'items 0-9/10',
  'bytes 0-9',
  '',
  'bytes -1-9/10',
])('refuses the Content-Range %j', (header) => expect(parsePart(header)).toBeNull());

test.each([
  ['bytes=0-3', { kind: 'some', start: 0, end: 4 }],
  ['bytes=4-', { kind: 'some', start: 4, end: 10 }],
  ['bytes=-3', { kind: 'some', start: 7, end: 10 }],
  ['bytes=-99', { kind: 'some', start: 0, end: 10 }],
  ['bytes=8-99', { kind: 'some', start: 8, end: 10 }],
  ['bytes=10-', { kind: 'unsatisfiable' }],
  ['bytes=-0', { kind: 'unsatisfiable' }],
  ['bytes=5-4', { kind: 'all' }],
  ['bytes=0-1,3-4', { kind: 'all' }],
  ['rows=0-1', { kind: 'all' }],
  [null, { kind: 'all' }],
] as const)('a Range of %j of 10 bytes', (header, span) => {
  expect(parseRange(header, 10)).toEqual(span);
});
