import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePattern } from './pattern.ts';

const run = (source: string, text: string): boolean | string => {
  const made = compilePattern(source);
  return made.ok ? made.value(text) : made.error;
};

/** Patterns of all that is taken. */
const { pattern } = fc.letrec<{ pattern: string; item: string }>((tie) => ({
  pattern: fc
    .array(
      fc.array(tie('item'), { maxLength: 4 }).map((items) => items.join('')),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    .map((options) => options.join('|')),
  item: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\.', '^', '$', '\\b', '[\\d-]', '1'),
    fc
      .tuple(
        fc.oneof(
          fc.constantFrom('a', 'b', '.', '\\d', '[b.]'),
          tie('pattern').map((inner) => `(${inner})`),
          tie('pattern').map((inner) => `(?:${inner})`),
        ),
        fc.constantFrom('', '*', '+', '?', '*?', '{2}', '{1,}', '{0,2}', '+?'),
      )
      .map(([one, by]) => one + by),
  ),
}));

test('it finds what RegExp finds', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '1', '-', 'é'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (source, where) => {
      const found = run(source, where);
      fc.pre(found !== 'it comes to too much');
      expect(found).toBe(new RegExp(source).test(where));
    }),
    { numRuns: 1000 },
  );
});

test('what makes RegExp try for centuries takes no time', () => {
  const name = `${'a'.repeat(255)}!`;
  for (const source of ['(a+)+$', '^(a|a)*$', '(a*)*b', '.*.*.*.*.*=', '(?:a{1,9}){9}c']) {
    const started = performance.now();
    expect(run(source, name)).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  }
});

test.each([
  ['(a)\\1', "no '\\1'"],
  ['(?=a)', "no '(?='"],
  ['(?<n>a)', "no '(?<'"],
  ['\\u0061', "no '\\u0'"],
  ['a{1000}', 'it comes to too much'],
  ['(', 'no regular expression'],
  ['a{,3}', "no '{,3'"],
])('%s is refused', (source, why) => {
  expect(run(source, '')).toBe(why);
});
