import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { ROOT } from './stranger.ts';
import type { Stranger } from './stranger.ts';

/** A Chromium of this machine; CHROMIUM names another. */
export const CHROMIUM = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));

/** What page.js says. */
export interface Said {
  readonly type: string;
  readonly round?: number;
  readonly error: string;
}

/** The stranger's project as Vite serves it, on an origin of its own. */
export const serveProject = async ({ dir }: Stranger) => {
  const vite = await createServer({
    root: dir,
    configFile: false,
    logLevel: 'error',
    optimizeDeps: { exclude: ['onnxruntime-web'] },
    server: { port: 0, host: '127.0.0.1', fs: { allow: [dir, ROOT] } },
  });
  await vite.listen();
  const url = vite.resolvedUrls?.local[0] ?? '';
  return { url, origin: new URL(url).origin, close: () => vite.close() };
};

/** A browser with one empty page, and all that is said on its console. */
export const openPage = async () => {
  const executablePath = CHROMIUM ?? '';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  const said: Said[] = [];
  page.on('console', (message) => {
    const text = message.text();
    const isEvent = text.startsWith('{"type":');
    said.push(isEvent ? (JSON.parse(text) as Said) : { type: 'console', error: text });
  });
  /** Waits until something like this is said, from the `from`-th on. */
  const until = async (what: (one: Said) => boolean, from = 0): Promise<void> => {
    while (!said.slice(from).some(what)) {
      const died = said.find(({ type }) => type === 'died');
      if (died) throw new Error(died.error);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { page, said, until, close: () => browser.close() };
};
