import type { JobView } from '../../../core/protocol/job-status.ts';
import { element } from '../dom.ts';
import { numberText } from './chart.ts';

/** What one model is worth on one site's data, or why that isn't known. */
type Cell =
  | { readonly metrics: Readonly<Record<string, number>>; readonly examples: number }
  | { readonly reason: string };
/** Data site -> model owner -> cell: the result of `cross-site-eval`. */
export type CrossSite = Readonly<Record<string, Readonly<Record<string, Cell>>>>;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCell = (value: unknown): boolean =>
  isObject(value) && (isObject(value['metrics']) || typeof value['reason'] === 'string');

const isCrossSite = (result: unknown): result is CrossSite => {
  if (!isObject(result)) return false;
  const rows = Object.values(result);
  return (
    rows.length > 0 &&
    rows.every((row) => isObject(row) && Object.values(row).every((cell) => isCell(cell)))
  );
};

/** The results of a job that are tables of sites and models, whatever workflow made them. */
export const crossSitesOf = ({ results }: JobView): readonly (readonly [string, CrossSite])[] =>
  Object.entries(results).flatMap(([workflow, result]) =>
    isCrossSite(result) ? [[workflow, result] as const] : [],
  );

const FIRST = ['global', 'best'];

const ownersOf = (table: CrossSite): readonly string[] => {
  const owners = new Set(Object.values(table).flatMap((row) => Object.keys(row)));
  const sites = [...owners].filter((owner) => !FIRST.includes(owner)).sort();
  return [...FIRST.filter((owner) => owners.has(owner)), ...sites];
};

/** The metric that a reader looks for: accuracy where there is one. */
const metricOf = (table: CrossSite): string | undefined => {
  const cells = Object.values(table).flatMap((row) => Object.values(row));
  const names = new Set(
    cells.flatMap((cell) => ('metrics' in cell ? Object.keys(cell.metrics) : [])),
  );
  return names.has('accuracy') ? 'accuracy' : [...names].sort()[0];
};

const cellOf = (cell: Cell | undefined, metric: string | undefined): HTMLElement => {
  if (!cell || 'reason' in cell) {
    const reason = cell?.reason ?? 'not measured';
    return element('td', {}, element('span', { title: reason, class: 'hint' }, `– ${reason}`));
  }
  const value = metric === undefined ? undefined : cell.metrics[metric];
  return element('td', {}, value === undefined ? '–' : numberText(value));
};

/** Rows are whose data, columns whose model. */
export const crossSiteTable = (workflow: string, table: CrossSite): HTMLElement => {
  const owners = ownersOf(table);
  const metric = metricOf(table);
  const head = element(
    'tr',
    {},
    element('th', { scope: 'col' }, 'Data of'),
    ...owners.map((owner) => element('th', { scope: 'col' }, owner)),
  );
  const rows = Object.entries(table).map(([site, row]) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, site),
      ...owners.map((owner) => cellOf(row[owner], metric)),
    ),
  );
  const caption = `${workflow}: ${metric ?? 'nothing measured'}; a column is whose model, a row whose validation data`;
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `Table of ${workflow}` },
    element(
      'table',
      {},
      element('caption', {}, caption),
      element('thead', {}, head),
      element('tbody', {}, ...rows),
    ),
  );
};
