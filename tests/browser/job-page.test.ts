// The page of a job, as the Worker serves it, live while a browser and a Node process train.
import { afterEach, describe, expect, test } from 'vitest';
import { digits } from '../../client-kit/tests/digits.ts';
import { MemoryStore } from '../../client-kit/src/store.ts';
import { runSite } from '../../client-kit/src/site.ts';
import * as ort from 'onnxruntime-web';
import { ADMIN } from '../../scripts/bare-server.ts';
import { finished, submitDigits } from '../package/digits-job.ts';
import { faultsOf, overhangOf } from './accessibility.ts';
import { CHROMIUM, whyNot } from './chromium.ts';
import { agree, picture, says, setScene } from './worker-pages.ts';

describe.skipIf(CHROMIUM === undefined)('the page of a job', () => {
  const scene = setScene();
  afterEach(() => scene.forget());

  test(`shows rounds, sites, the learning curve and the cross-site table, live${whyNot()}`, async () => {
    const { api, server } = scene;
    const job = await submitDigits(api, { sites: 2, rounds: 4, epochs: 2 });
    const { page, complaints, asked } = await scene.visit(`${server.url}/jobs/${job}`);
    // A token that is none is refused, and asked for again.
    await page.getByLabel("The server's admin token").fill('nobody');
    await page.keyboard.press('Enter');
    await page.getByText('This token is not known').waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.getByLabel("The server's admin token").fill(ADMIN);
    await page.getByRole('button', { name: 'Show the job' }).click();
    await says(page, 'waits for its sites (0 of at least 2)');

    const device = await scene.visit(await scene.link());
    await agree(device.page, 'phone');
    await says(page, 'waits for its sites (1 of at least 2)');
    const stop = new AbortController();
    const node = runSite({
      server: server.url,
      name: 'ward-7',
      enrolment: await api.enrolment({ uses: 1 }),
      store: new MemoryStore(),
      data: () => digits('train', 0, 500),
      ort,
      signal: stop.signal,
      once: true,
    });
    await says(page, 'Running: train');
    const points = page.locator('svg.chart').first().locator('circle');
    await expect.poll(() => points.count(), { timeout: 30_000 }).toBeGreaterThan(0);
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    await node;

    await says(page, 'Finished: completed');
    await expect.poll(() => points.count(), { timeout: 30_000 }).toBe(5);
    const titles = await page.locator('h3').allTextContents();
    expect(titles).toEqual(['accuracy', 'loss']);
    expect(await page.getByRole('rowheader', { name: 'ward-7' }).count()).toBeGreaterThan(1);
    const table = page.getByRole('table', { name: /^cross-site: accuracy/ });
    expect(await table.getByRole('columnheader').allTextContents()).toEqual([
      'Data of',
      'global',
      'best',
      'phone',
      'ward-7',
    ]);
    const cells = await table.getByRole('cell').allTextContents();
    expect(cells).toHaveLength(8);
    for (const cell of cells) expect(Number(cell)).toBeGreaterThan(0.5);
    // The refusal above is the browser's one complaint.
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    expect([...asked]).toEqual([server.url]);

    // Another visit in the same tab needs no token; after forgetting, it does.
    await page.reload();
    await says(page, 'Finished: completed');
    await page.locator('summary', { hasText: 'accuracy as numbers' }).click();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await faultsOf(page)).toEqual([]);
    }
    await picture(page, 'job-desktop', { width: 900, height: 1200 }, 'light');
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await overhangOf(page)).toBe(0);
    await picture(page, 'job-phone', { width: 360, height: 740 }, 'dark');
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await page.getByLabel("The server's admin token").waitFor();
    stop.abort();
  });

  test(`says so where there is no such job${whyNot()}`, async () => {
    const { page } = await scene.visit(`${scene.server.url}/jobs/none`);
    await page.getByLabel("The server's admin token").fill(ADMIN);
    await page.keyboard.press('Enter');
    await page.getByText('There is no such job').waitFor();
  });
});
