import { isFinished } from '../../../core/protocol/job-status.ts';
import type { JobView } from '../../../core/protocol/job-status.ts';
import { element, find, tell, write } from '../dom.ts';
import { chartOf, tableOf } from './chart.ts';
import { crossSitesOf, crossSiteTable } from './cross-site.ts';
import type { Curve } from './learning.ts';

const part = (id: string): HTMLElement => find(`#${id}`, HTMLElement);

/** Either the door or the job is to be seen. */
export const show = (what: 'door' | 'job'): void => {
  part('door').hidden = what !== 'door';
  part('job').hidden = what !== 'job';
};

export const alarm = (text: string | null): void => tell(part('alert'), text);

const STATES: Readonly<Record<string, string>> = {
  SUBMITTED: 'Submitted: waits for its sites',
  APPROVED: 'Approved: waits for its sites',
  DISPATCHED: 'Dispatched: waits for its sites',
  RUNNING: 'Running',
  SUSPENDED: 'Suspended',
  'FINISHED:COMPLETED': 'Finished: completed',
  'FINISHED:ABORTED': 'Finished: aborted',
  'FINISHED:EXECUTION_EXCEPTION': 'Finished: failed',
  'FINISHED:ABNORMAL': 'Finished: abnormally',
  'FINISHED:CAN_NOT_SCHEDULE': 'Finished: could not be scheduled',
};

const agoText = (time: number, now: number): string => {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return new Date(time).toLocaleString();
};

const statusText = ({ status, workflow, sites, minSites }: JobView): string => {
  const said = STATES[status] ?? status;
  if (status === 'RUNNING' && workflow) {
    return `${said}: ${workflow.id}, workflow ${workflow.index + 1} of ${workflow.count}`;
  }
  const waits = status === 'SUBMITTED' || status === 'APPROVED' || status === 'DISPATCHED';
  return waits ? `${said} (${sites.length} of at least ${minSites})` : said;
};

/** Draws a job as the server tells of it. */
export const draw = (view: JobView, now: number): void => {
  const { name, id, round, totalRounds, task, reason, sites } = view;
  write(part('name'), name);
  write(part('id'), id);
  document.title = `${name} · Tributary`;
  write(part('status'), statusText(view));
  write(part('reason'), reason ?? '');
  const ended = isFinished(view.status);
  const bar = find('#rounds', HTMLProgressElement);
  const total = totalRounds ?? 1;
  const done = ended && view.status === 'FINISHED:COMPLETED' ? total : (round ?? 0);
  [bar.max, bar.value] = [total, done];
  const begun = round === null ? 'Not begun' : `Round ${round + 1} of ${total}`;
  write(part('rounds-label'), ended ? 'Over' : begun);
  const waiting = task && `${task.name}: ${task.received} of ${task.assigned} sites have answered`;
  write(part('task'), ended ? '' : (waiting ?? ''));
  part('sites').replaceChildren(
    ...sites.map((site) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, site.name),
        element('td', {}, site.returnCode ? `${site.state} (${site.returnCode})` : site.state),
        element('td', {}, agoText(site.lastSeen, now)),
      ),
    ),
  );
  const tables = crossSitesOf(view);
  part('cross').hidden = tables.length === 0;
  part('tables').replaceChildren(...tables.map((table) => crossSiteTable(...table)));
};

let drawn: readonly Curve[] = [];
addEventListener('resize', () => drawCurves(drawn));

/** Draws the learning curve, as wide as there is room; tables of numbers that are open stay so. */
export const drawCurves = (curves: readonly Curve[]): void => {
  drawn = curves;
  const place = part('curves');
  const open = [...place.querySelectorAll('details')].map((one) => one.open);
  part('curve-none').hidden = curves.length > 0;
  part('curve-words').hidden = curves.length === 0;
  const tables = curves.map((curve) => tableOf(curve));
  for (const [i, table] of tables.entries()) table.toggleAttribute('open', open[i] ?? false);
  place.replaceChildren(
    ...curves.flatMap((curve, i) => [
      element('h3', {}, curve.metric),
      chartOf(curve, place.clientWidth),
      ...(tables[i] ? [tables[i]] : []),
    ]),
  );
};
