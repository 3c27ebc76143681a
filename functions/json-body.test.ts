import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { depthOf } from './json-body.ts';

/** Depth by walking the value: what counting brackets must agree with. */
const walked = (value: unknown): number =>
  typeof value !== 'object' || value === null
    ? 0
    : 1 + Math.max(0, ...Object.values(value).map(walked));

test('brackets in text nest as the value does, those in strings do not count', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      expect(depthOf(text)).toBe(walked(JSON.parse(text)));
    }),
  );
  expect(depthOf('{"[[[\\"[": "\\\\", "a": [1]}')).toBe(2);
});

test('unbalanced text is no deeper than it opens', () => {
  fc.assert(
    fc.property(fc.string(), (text) => depthOf(text) <= (text.match(/[[{]/g) ?? []).length),
  );
});
