import { expect, test } from 'vitest';
import { learningCurve, ticksOf } from './learning-curve.ts';

test('ticks are round, and within the range', () => {
  expect(ticksOf(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1].map((v) => expect.closeTo(v)));
  expect(ticksOf(3, 97)).toEqual([20, 40, 60, 80]);
  expect(ticksOf(5, 5)).toEqual([5]);
});

test('a line goes from corner to corner, names are escaped, what is not a number is left out', () => {
  const points = [
    [0, 2],
    [5, NaN],
    [10, 1],
  ] as const;
  const svg = learningCurve([
    { title: 'loss <of> a & b', x: 'step', series: [{ name: 'train', colour: '#06c', points }] },
  ]);
  expect(svg).toContain('loss &#60;of&#62; a &#38; b');
  expect(svg).toContain('<path d="M64.0 36.0L704.0 236.0" fill="none" stroke="#06c"');
  expect(svg).not.toContain('NaN');
  expect(svg.match(/<svg|<\/svg>/g)).toHaveLength(2);
});

test('a long line is thinned to what a picture shows', () => {
  const points = Array.from({ length: 100_000 }, (_, i) => [i, i % 7] as const);
  const svg = learningCurve([
    { title: 't', x: 'step', series: [{ name: 's', colour: 'red', points }] },
  ]);
  expect(svg.length).toBeLessThan(20_000);
});
