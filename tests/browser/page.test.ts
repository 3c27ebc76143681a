// The kit in a page of another origin: its tarball, the page of its README, Vite, a real Chromium.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Api } from '../http/api.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { everyReply, finished, repliesOf, submitDigits } from '../package/digits-job.ts';
import { Stranger } from '../package/stranger.ts';
import { type Browser, CHROMIUM, openBrowser, whyNot } from './chromium.ts';
import { hostPage, type PageHost } from './page-host.ts';
import { Tab } from './tab.ts';

describe.skipIf(CHROMIUM === undefined)('a page of another origin', () => {
  let stranger: Stranger;
  let host: PageHost;
  let server: Server;
  let api: Api;
  let browser: Browser;
  beforeAll(async () => {
    stranger = await Stranger.make();
    await stranger.write('public/blank.html', '<!doctype html>');
    await stranger.digits('public', 0, 700);
    await stranger.digits('node', 700, 1400);
    await stranger.check(['site.ts'], { lib: ['es2023'], module: 'nodenext', types: ['node'] });
    [host, browser] = await Promise.all([hostPage(stranger, 'build'), openBrowser()]);
    server = await startServer({ env: { ALLOWED_ORIGINS: host.origin } });
    api = new Api(server);
  });
  afterAll(async () => {
    await browser.close();
    await host.close();
    await server.stop();
    await stranger.remove();
  });

  test(`trains beside a Node site, in one job${whyNot()}`, async () => {
    const job = await submitDigits(api, { sites: 2, rounds: 2 });
    const welcome = async (name: string) => ({
      server: server.url,
      name,
      enrolment: await api.enrolment({ uses: 1 }),
    });
    const { enrolment } = await welcome('node');
    const env = { SERVER: server.url, NAME: 'node', ENROLMENT: enrolment };
    const site = stranger.start('site.js', 'node', env);
    onTestFinished(() => site.stop('SIGKILL'));
    const tab = await Tab.open(browser.context);
    const asked = new Set<string>();
    tab.page.on('request', (request) => asked.add(new URL(request.url()).origin));
    await tab.visit(host.origin, await welcome('page'));

    await tab.until(({ type }) => type === 'job-ended');
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['node', 'page']));
    const types = (await tab.events()).map(({ type }) => type);
    expect(types).toContain('step');
    expect(types).not.toContain('failed');
    // ONNX Runtime's files come from where the page does, and nothing from anywhere else.
    expect([...asked].sort()).toEqual([server.url, host.origin].sort());
    site.stop('SIGTERM');
    expect(await site.ended, site.said()).toBe(0);
  });

  test(`may send its token after a preflight; one of a strange origin may not${whyNot()}`, async () => {
    const call = async ([url = '', token = '']: string[]): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(url, { headers }).catch(() => undefined);
      return answer ? `${answer.status} ${answer.headers.get('content-type')}` : 'no answer';
    };
    const { page } = await Tab.open(browser.context);
    const devtools = await browser.context.newCDPSession(page);
    await devtools.send('Network.enable');
    const preflights: string[] = [];
    devtools.on('Network.requestWillBeSent', ({ request }) => {
      if (request.method === 'OPTIONS') preflights.push(`${request.method} ${request.url}`);
    });
    // An address that the page above has not asked: browsers remember the answers to preflights.
    const jobs = `${server.url}/v1/jobs?limit=1`;
    await page.goto(`${host.origin}/blank.html`);
    expect(await page.evaluate(call, [jobs, ADMIN])).toBe('200 application/json');
    expect(await page.evaluate(call, [jobs, 'nobody'])).toBe('401 application/problem+json');
    expect(preflights).toEqual([`OPTIONS ${jobs}`]);
    await page.goto(`${host.otherOrigin}/blank.html`);
    expect(await page.evaluate(call, [jobs, ADMIN])).toBe('no answer');
  });
});
