import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN, startServer } from '../../scripts/bare-server.ts';
import { digestOf } from '../interop/raw-file.ts';
import type { CampaignJob } from './campaign-job.ts';
import { Controller } from './controller.ts';
import type { JobEvent } from './controller.ts';
import { Crew } from './crew.ts';
import type { Kill } from './kill-plan.ts';
import { Killer } from './killer.ts';
import { readLedger } from './ledger.ts';
import type { Acknowledged } from './ledger.ts';

/** One job after its campaign. */
export interface Finished {
  readonly job: CampaignJob;
  readonly id: string;
  readonly sites: readonly string[];
  readonly status: string;
  /** Digest of the final model as downloaded. */
  readonly digest: string;
  readonly results: unknown;
  readonly events: readonly JobEvent[];
}

export interface Report {
  readonly finished: readonly Finished[];
  /** What the sites wrote down, all crews together. */
  readonly ledger: readonly Acknowledged[];
  readonly kills: number;
  readonly tally: Readonly<Record<string, number>>;
}

export interface CampaignOptions {
  readonly dir: string;
  readonly program: string;
  /** Crews one after another, each with fresh sites and its jobs side by side. */
  readonly crews: number;
  readonly jobs: (crew: number) => readonly CampaignJob[];
  /** The kills of a crew; none: the calm run. */
  readonly plan?: (crew: number) => readonly Kill[];
}

const SITES = ['a', 'b', 'c', 'd'] as const;
/** Far longer than any outage of this test. */
const PATIENCE_S = 120;

/** Runs a campaign: enrols, submits, trains, and collects what became of every job. Leaves no process behind. */
export async function campaign({
  dir,
  program,
  crews,
  jobs,
  plan,
}: CampaignOptions): Promise<Report> {
  mkdirSync(dir, { recursive: true });
  const ledger = join(dir, 'acknowledged.txt');
  const server = await startServer({ data: join(dir, 'server') });
  const controller = new Controller(server.url, ADMIN);
  const killer = new Killer(server);
  const onMoment = (moment: string): void => killer.moment(moment);
  const finished: Finished[] = [];
  try {
    for (let crew = 0; crew < crews; crew++) {
      killer.follow(plan?.(crew) ?? []);
      const names = SITES.map((letter) => `crew-${crew}-${letter}`);
      const enrolment = await controller.enrolment(names.length);
      const submitted: { job: CampaignJob; id: string }[] = [];
      for (const job of jobs(crew)) {
        for (const blob of job.blobs) await controller.putBlob(blob);
        const id = await controller.submit(job.spec(names), () => onMoment('submit'));
        submitted.push({ job, id });
      }
      const sites = new Crew({
        program,
        dir: join(dir, 'sites'),
        ledger,
        server: server.url,
        names,
        enrolment,
        onMoment,
      });
      killer.crew = sites;
      try {
        for (const { job, id } of submitted) {
          const { status, results } = await controller.finished(id, PATIENCE_S);
          const digest = digestOf(await controller.model(id));
          const events = await controller.events(id);
          finished.push({ job, id, sites: names, status, digest, results, events });
        }
        killer.follow([]);
        await killer.settled();
        const fallen = sites.fallen();
        if (fallen.length > 0) throw new Error(`sites ended by themselves: ${fallen.join(', ')}`);
        for (const { id } of submitted) await controller.remove(id);
      } catch (cause) {
        throw new Error(`crew ${crew}, ${killer.kills} kills so far\n${sites.traces()}`, { cause });
      } finally {
        killer.crew = undefined;
        await sites.stop();
      }
    }
    return {
      finished,
      ledger: readLedger(ledger),
      kills: killer.kills,
      tally: killer.tally,
    };
  } finally {
    await killer.settled().catch(() => undefined);
    await server.stop();
  }
}
