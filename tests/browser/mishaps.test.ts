// What happens to a page: a site in it goes on where it was, nothing is lost and nothing counted twice.
import type { Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SiteEvent } from '../../client-kit/src/event.ts';
import { Api } from '../http/api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { everyReply, finished, repliesOf, submitDigits } from '../package/digits-job.ts';
import { type Running, Stranger } from '../package/stranger.ts';
import { type Browser, openBrowser, whyNot } from './chromium.ts';
import { hostPage, type PageHost } from './page-host.ts';
import { Tab, type Welcome } from './tab.ts';

const WHY_NOT = whyNot(true);
/** Long enough to be met in the middle of it: 1,200 steps a round. */
const JOB = { sites: 2, rounds: 3, epochs: 60 };

/** In mid-training of the second round. */
const inTheMiddle = (event: SiteEvent): boolean => event.type === 'step' && event.task.round === 1;
const joined = ({ type }: SiteEvent): boolean => type === 'joined';
const ended = ({ type }: SiteEvent): boolean => type === 'job-ended';

describe.skipIf(WHY_NOT !== '')('a site in a page, beside a Node site', () => {
  let stranger: Stranger;
  let host: PageHost;
  let server: Server;
  let api: Api;
  let browser: Browser;
  let node: Running;
  let env: Readonly<Record<string, string>>;
  let welcome: Welcome;
  /** The final model's digest where nothing happens. */
  let calm: string | undefined;
  let tab: Tab;
  let job: string;

  const open = async (): Promise<Tab> => {
    const opened = await Tab.open(browser.context);
    await opened.visit(host.origin, welcome);
    return opened;
  };

  /** Both sites start anew, with a job for them: an idle site asks for jobs only once in a while. */
  const begin = async (): Promise<void> => {
    job = await submitDigits(api, JOB);
    node = stranger.start('site.js', 'node', env);
    tab = await open();
  };
  const end = async (): Promise<void> => {
    node.stop('SIGKILL');
    await node.ended;
    for (const page of browser.context.pages()) await page.close();
  };

  /** The job has ended as if nothing had happened. */
  const expectCalm = async (): Promise<void> => {
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(view.models['global']?.digest).toBe(calm);
    expect(await repliesOf(api, job)).toEqual(everyReply(JOB, ['node', 'page']));
    expect(tab.complaints).toEqual([]);
  };

  beforeAll(async () => {
    stranger = await Stranger.make();
    await stranger.digits('public', 0, 700);
    await stranger.digits('node', 700, 1400);
    await stranger.check(['site.ts'], { lib: ['es2023'], module: 'nodenext', types: ['node'] });
    [host, browser] = await Promise.all([hostPage(stranger, 'development'), openBrowser()]);
    server = await startServer({ env: { ALLOWED_ORIGINS: host.origin } });
    api = new Api(server);
    // Good for one site: a page that loses its own token can not come back.
    const [forPage, forNode] = [await api.enrolment({ uses: 1 }), await api.enrolment({ uses: 1 })];
    welcome = { server: server.url, name: 'page', enrolment: forPage };
    env = { SERVER: server.url, NAME: 'node', ENROLMENT: forNode };

    await begin();
    await tab.until(ended);
    calm = (await finished(api, job)).models['global']?.digest;
    await end();
  });
  afterAll(async () => {
    await browser.close();
    await host.close();
    await server.stop();
    await stranger.remove();
  });
  beforeEach(begin);
  afterEach(end);

  test(`reloaded in mid-training, it trains that round again${WHY_NOT}`, async () => {
    await tab.until(inTheMiddle);
    await tab.page.reload();
    await tab.until(ended);
    const rounds = (await tab.events()).flatMap((event) =>
      event.type === 'step' ? [event.task.round] : [],
    );
    expect([...new Set(rounds)]).toEqual([1, 2]);
    await expectCalm();
  });

  test(`crashed in mid-training, it goes on in a new tab${WHY_NOT}`, async () => {
    await tab.until(inTheMiddle);
    const crashed = tab.page.waitForEvent('crash');
    tab.page.goto('chrome://crash').catch(() => undefined);
    await crashed;
    tab = await open();
    await tab.until(ended);
    await expectCalm();
  });

  test(`reloaded before it heard that a result was taken, it sends that one again${WHY_NOT}`, async () => {
    let taken = (_task: string): void => undefined;
    const lost = new Promise<string>((resolve) => (taken = resolve));
    const result = /\/tasks\/([^/]+)\/result$/;
    const loseAnswer = async (route: Route): Promise<void> => {
      await route.fetch();
      taken(result.exec(route.request().url())?.[1] ?? '');
      // Neither an answer nor an error: the page waits until it is gone.
    };
    await tab.page.route(result, loseAnswer, { times: 1 });
    const task = await lost;
    await tab.page.reload();
    await tab.until(ended);
    const about = (await tab.events()).filter(
      (event) => event.type === 'submitted' && event.taskId === task,
    );
    expect(about).toMatchObject([{ status: 'duplicate', returnCode: 'OK' }]);
    await expectCalm();
  });

  test(`of two tabs one is the site; closed in mid-training, the other goes on${WHY_NOT}`, async () => {
    const second = await open();
    // A round later, the second has had time to do something.
    await tab.until((event) => event.type === 'step' && event.task.round === 2);
    expect(await second.events()).toEqual([]);
    await tab.page.close();
    await second.until(joined);
    await second.until(ended);
    await expectCalm();
  });
});
