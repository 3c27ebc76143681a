// The page behind a join link, as the Worker serves it: bare workerd, a real Chromium.
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { Api } from '../http/api.ts';
import { everyReply, finished, repliesOf, submitDigits } from '../package/digits-job.ts';
import { type Browser, CHROMIUM, openBrowser, whyNot } from './chromium.ts';

describe.skipIf(CHROMIUM === undefined)('a device joins by a link', () => {
  let server: Server;
  let api: Api;
  let browser: Browser;
  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), openBrowser()]);
    api = new Api(server);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  const link = async (): Promise<string> =>
    `${server.url}/join#${await api.enrolment({ uses: 1 })}`;

  interface Visit {
    readonly page: Page;
    /** What the browser complained of, and what it asked of whom. */
    readonly complaints: string[];
    readonly asked: Set<string>;
  }

  const visit = async (context: BrowserContext, url: string): Promise<Visit> => {
    const page = await context.newPage();
    const complaints: string[] = [];
    const asked = new Set<string>();
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (said) => said.type() === 'error' && complaints.push(said.text()));
    page.on('request', (request) => asked.add(new URL(request.url()).origin));
    await page.goto(url);
    return { page, complaints, asked };
  };

  const agree = async (page: Page, name: string): Promise<void> => {
    await page.getByLabel('Name of this device').fill(name);
    await page.getByRole('button', { name: 'Join and train' }).click();
  };

  test(`trains on the sample data in a real job, and tells nobody its token${whyNot()}`, async () => {
    const url = await link();
    const job = await submitDigits(api, { sites: 1, rounds: 2 });
    const { page, complaints, asked } = await visit(browser.context, url);
    await page.getByRole('heading', { name: 'What happens' }).waitFor();
    expect(page.url()).toBe(`${server.url}/join`);
    await agree(page, 'phone');
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['phone']));
    await page.locator('#status', { hasText: 'The job has ended' }).waitFor();
    expect(Number(await page.locator('#sent').textContent())).toBe(7);
    expect(complaints).toEqual([]);
    expect([...asked]).toEqual([server.url]);
    expect(server.log()).not.toContain(url.split('#')[1]);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.close();
  });
});
