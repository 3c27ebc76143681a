import { onnxJob } from '../../cli/src/onnx-job.ts';
import { parseEvents } from '../../cli/src/events.ts';
import { programsFor } from '../../client-kit/tests/digits.ts';
import { isFinished } from '../../core/protocol/job-status.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import type { Api } from '../http/api.ts';

export interface DigitsJob {
  readonly sites: number;
  readonly rounds: number;
  readonly epochs?: number;
}

/** Submits a job that trains a small MLP on digits with ONNX programs, then evaluates every model at every site. */
export async function submitDigits(
  api: Api,
  { sites, rounds, epochs = 1 }: DigitsJob,
): Promise<string> {
  const programs = programsFor('mlp', 0.9);
  const { spec, model } = onnxJob(programs, {
    name: 'digits',
    seed: 7,
    minSites: sites,
    rounds,
    epochs,
    batchSize: 32,
    lr: 0.05,
    transferType: 'DIFF',
  });
  for (const bytes of [model, programs.train.model, programs.evaluate.model]) {
    await api.blob(bytes);
  }
  return api.submit(spec);
}

/** The job once it has finished. */
export async function finished(api: Api, job: string): Promise<JobView> {
  for (let since = 0; ;) {
    const view = await api.json<JobView>(`/v1/jobs/${job}?wait=25&since=${since}`, 200);
    if (isFinished(view.status)) return view;
    since = view.version;
  }
}

/** Results that a finished job has counted, as `workflow/round/name/site`, sorted. */
export async function repliesOf(api: Api, job: string): Promise<string[]> {
  const { body } = await api.call(`/v1/jobs/${job}/events`);
  const replies: string[] = [];
  for await (const { event, data } of parseEvents(body ?? new ReadableStream())) {
    if (event !== 'reply') continue;
    const { workflow, round, name, site } = JSON.parse(data) as Record<string, string | number>;
    replies.push(`${workflow}/${round}/${name}/${site}`);
  }
  return replies.sort();
}

/** What `repliesOf` gives where each of these sites has answered each task of `submitDigits` once. */
export function everyReply(
  { rounds }: Pick<DigitsJob, 'rounds'>,
  sites: readonly string[],
): string[] {
  const trained = Array.from({ length: rounds }, (_, round) => `train/${round}/train`);
  // Of the global model; then of global, best and every site's.
  const judged = ['global', 'best', ...sites].map(() => 'cross-site/0/validate');
  const tasks = [
    ...trained,
    `train/${rounds - 1}/validate`,
    'cross-site/0/submit_model',
    ...judged,
  ];
  return tasks.flatMap((task) => sites.map((site) => `${task}/${site}`)).sort();
}
