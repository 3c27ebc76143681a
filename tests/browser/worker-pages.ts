import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { Page } from 'playwright-core';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api } from '../http/api.ts';
import { type Browser, openBrowser } from './chromium.ts';

/** A page of the Worker's in a tab. */
export interface Visit {
  readonly page: Page;
  /** What the browser complained of. */
  readonly complaints: string[];
  /** Origins that it asked anything of. */
  readonly asked: Set<string>;
}

/** A server on bare workerd, and a Chromium. */
export interface Scene {
  readonly server: Server;
  readonly api: Api;
  readonly browser: Browser;
  /** A new link for one device. */
  link(): Promise<string>;
  /** Opens an address in a new tab; `init` runs there before the page's own code. */
  visit(url: string, init?: () => void): Promise<Visit>;
  /** Ends all jobs, closes all tabs and forgets what pages kept: the next visitor is a stranger. */
  forget(): Promise<void>;
}

/** Sets the scene for a file of tests. */
export const setScene = (flags: readonly string[] = []): Scene => {
  let server: Server;
  let browser: Browser;
  let api: Api;
  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), openBrowser(flags)]);
    api = new Api(server);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    get api() {
      return api;
    },
    get browser() {
      return browser;
    },
    link: async () => `${server.url}/join#${await api.enrolment({ uses: 1 })}`,
    visit: async (url, init) => {
      const page = await browser.context.newPage();
      if (init) await page.addInitScript(init);
      const complaints: string[] = [];
      const asked = new Set<string>();
      page.on('pageerror', ({ message }) => complaints.push(message));
      page.on('console', (said) => said.type() === 'error' && complaints.push(said.text()));
      page.on('request', (request) => asked.add(new URL(request.url()).origin));
      await page.goto(url);
      return { page, complaints, asked };
    },
    forget: async () => {
      const { jobs } = await api.json<{ jobs: { id: string }[] }>('/v1/jobs', 200);
      for (const { id } of jobs) await api.call(`/v1/jobs/${id}`, { method: 'DELETE' });
      const page = await browser.context.newPage();
      for (const other of browser.context.pages()) if (other !== page) await other.close();
      const devtools = await browser.context.newCDPSession(page);
      await devtools.send('Storage.clearDataForOrigin', {
        origin: server.url,
        storageTypes: 'all',
      });
      await page.close();
    },
  };
};

/** Says yes on the page behind a join link. */
export const agree = async (page: Page, name: string): Promise<void> => {
  await page.getByLabel('Name of this device').fill(name);
  await page.getByRole('button', { name: 'Join and train' }).click();
};

/** Waits until the page's status says this. */
export const says = (page: Page, text: string | RegExp): Promise<void> =>
  page.locator('#status', { hasText: text }).waitFor();

/** Takes a picture for the documents, where TRIBUTARY_PICTURES asks for it. */
export const picture = async (
  page: Page,
  name: string,
  viewport: { readonly width: number; readonly height: number },
  colorScheme: 'light' | 'dark',
): Promise<void> => {
  if (process.env['TRIBUTARY_PICTURES'] !== '1') return;
  const before = page.viewportSize();
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await page.screenshot({ path: join(ROOT, 'docs/images', `${name}.png`) });
  if (before) await page.setViewportSize(before);
};
