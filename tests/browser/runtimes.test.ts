// One program, every runtime: the loss curves of 20 steps agree within the tolerances that bench/training/README.md states.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openChromium, type Chromium } from '../../bench/training/browser.ts';
import { CURVES, curveOf, distance, NATIVE, runtimes } from '../../bench/training/runtimes.ts';
import { whyNot } from './chromium.ts';

const [reference] = runtimes(undefined);
if (reference === undefined) throw new Error('no reference');
const WITHOUT = NATIVE ? '' : ' (no onnxruntime-node: npm run bench:train installs it)';

const LONG = process.env['TRIBUTARY_LONG'] === '1';
const WHY = LONG ? WITHOUT : ' (long: TRIBUTARY_LONG=1)';

describe.skipIf(!LONG)(`the same curve in Node${WHY}`, () => {
  test.each(CURVES)('$model', async (of) => {
    const expected = await curveOf(reference, of);
    expect(expected.at(-1)).toBeLessThan((expected[0] ?? 0) * 0.8);
    for (const runtime of runtimes(undefined)) {
      const curve = await curveOf(runtime, of);
      expect(distance(curve, expected), runtime.name).toBeLessThanOrEqual(runtime.tolerance);
    }
  });
});

describe.skipIf(whyNot(true) !== '')(`the same curve in Chromium${whyNot(true)}`, () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await openChromium({ peers: false });
  });
  afterAll(async () => {
    await chromium.close();
  });

  test.each(CURVES)('$model', async (of) => {
    const expected = await curveOf(reference, of);
    const inPage = runtimes(chromium).filter(({ name }) => name.endsWith('Chromium'));
    expect(inPage).toHaveLength(3);
    for (const runtime of inPage) {
      const curve = await curveOf(runtime, of);
      expect(distance(curve, expected), runtime.name).toBeLessThanOrEqual(runtime.tolerance);
    }
  });

  test('a program that was not written for the GPU does not run there without the CPU', async () => {
    const [of] = CURVES;
    const started = chromium.start('ours gpu, written for wasm', of.model, of.batch);
    await expect(started).rejects.toThrow(/fallback to CPU EP has been explicitly disabled/);
  });
});
