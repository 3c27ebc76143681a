// `npm run demo -- --join`: a tab of a real Chromium is one of the sites.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CHROMIUM, openBrowser, whyNot } from '../browser/chromium.ts';
import { agree } from '../browser/worker-pages.ts';
import { startDemo } from './demo-process.ts';

describe.skipIf(CHROMIUM === undefined)('npm run demo -- --join', () => {
  test(`waits for a tab, which takes part as one more site${whyNot()}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'tributary-demo-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const demo = startDemo(dir, [
      '--join',
      '--sites',
      '2',
      '--model',
      'mlp',
      '--rounds',
      '2',
      '--examples',
      '1000',
    ]);
    onTestFinished(demo.kill);
    const browser = await openBrowser();
    onTestFinished(browser.close);
    const link = /http:\/\/127\.0\.0\.1:\d+\/join#\S+/;
    await expect.poll(demo.said).toMatch(link);
    await expect.poll(demo.said).toMatch(/^Training: 2 sites/m);
    const page = await browser.context.newPage();
    await page.goto(link.exec(demo.said())?.[0] ?? '');
    await agree(page, 'tab');
    const { crossSite, rounds } = await demo.result();
    expect(demo.said()).toContain('tab has joined by the link');
    expect(Object.keys(crossSite).sort()).toEqual(['site-1', 'site-2', 'tab']);
    expect(Object.keys(crossSite['tab'] ?? {}).sort()).toContain('tab');
    expect(rounds).toHaveLength(2);
    await page.locator('#status', { hasText: /The job has ended|can not be reached/ }).waitFor();
    expect(Number(await page.locator('#sent').textContent())).toBeGreaterThanOrEqual(2);
  });
});
