import { expect, test } from 'vitest';
import { namesTag } from './entity-tag.ts';

test.each<[header: string | null, etag: string, named: boolean]>([
  ['"1"', '"1"', true],
  ['"2"', '"1"', false],
  ['"2", "1"', '"1"', true],
  ['"2",W/"1"', '"1"', true],
  ['"1"', 'W/"1"', true],
  ['W/"1"', 'W/"1"', true],
  ['*', 'W/"1"', true],
  [' * ', '"1"', true],
  ['"a,1"', '"1"', false],
  ['"a,1"', '"a,1"', true],
  ['"*"', '"1"', false],
  ['1', '"1"', false],
  ['', '"1"', false],
  [null, '"1"', false],
])('If-None-Match: %s, of %s: %s', (header, etag, named) => {
  expect(namesTag(header, etag)).toBe(named);
});
