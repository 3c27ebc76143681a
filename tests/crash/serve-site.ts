import { appendFileSync } from 'node:fs';
import { FileStore } from '../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../client-kit/src/site.ts';
import type { SiteOptions } from '../../client-kit/src/site.ts';
import { checkedFetch } from '../http/checked-fetch.ts';
import { Breach } from '../http/contract.ts';
import { lineOf } from './ledger.ts';
import type { SiteJob } from './site-job.ts';

/** What this process was told. */
export const siteJob = (): SiteJob => JSON.parse(process.argv[2] ?? '') as SiteJob;

/** Tells the campaign of a moment. */
const say = (moment: string): void => void process.stdout.write(`${moment}\n`);

/** Leaves a trace in the site's log, for whoever must find out what happened. */
const note = (event: object): void => {
  const text = JSON.stringify(event, (_, value: unknown) =>
    value instanceof Error ? value.message : value,
  );
  process.stderr.write(`${new Date().toISOString()} ${process.pid} ${text}\n`);
};

const RESULT = /\/v1\/jobs\/([^/]+)\/tasks\/([^/]+)\/result$/;

/**
 * One device as a process of its own: enrols and serves jobs with the kit, until it is killed. It prints a line per
 * moment, and notes every acknowledgement before the kit learns of it. Each answer is held against the OpenAPI document.
 */
export async function serveSite(
  job: SiteJob,
  parts: Pick<SiteOptions, 'app' | 'ort' | 'data'>,
): Promise<void> {
  // The campaign holds the other end: when it dies, so does this.
  process.stdin.on('end', () => process.exit(1)).resume();

  const checked = checkedFetch(job.server);
  const call = (url: string, init: RequestInit): Promise<Response> =>
    checked(url, init).catch((error: unknown) => {
      // To the kit it would be a server that is down. A site that ends by itself ends the campaign.
      if (error instanceof Breach) {
        note(error);
        process.exit(1);
      }
      throw error;
    });
  const bookkeeping = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname } = new URL(url);
    const [, of, task] = RESULT.exec(pathname) ?? [];
    if (!of || !task) {
      if (pathname === '/v1/sites') say('enrol');
      return call(url, init);
    }
    say('upload');
    const answer = await call(url, init);
    const { status } = (await answer.clone().json()) as { status: string };
    if (answer.status === 200) {
      appendFileSync(job.ledger, lineOf({ job: of, task, site: job.name, status }));
      say('acknowledged');
    }
    return answer;
  };

  await runSite({
    ...parts,
    server: job.server,
    name: job.name,
    enrolment: job.enrolment,
    store: new FileStore(job.dir),
    fetch: bookkeeping,
    onEvent: (event) => {
      if (event.type === 'task') say('task');
      if (event.type !== 'step') note(event);
    },
  });
}
