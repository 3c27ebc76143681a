import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import type { JsonObject } from '../../core/protocol/json.ts';
import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { MetricTotal, TaskReply } from '../../core/workflows/ops.ts';
import { refOf } from './task-rows.ts';

export type ReplyRow = {
  task: number;
  site: string;
  code: ReturnCode;
  /** JSON of metrics and meta. */
  header: string;
  weight: number;
  /** Its staged tensors, until they are folded. */
  upload: string | null;
  /** JSON of the ModelRef that they became, where they are kept. */
  model: string | null;
  received: number;
};

/** A plain number counts as one example. */
const totalOf = (metric: number | MetricTotal): MetricTotal =>
  typeof metric === 'number' ? { sum: metric, count: 1 } : metric;

type Totals = { [name: string]: MetricTotal };

const totals = (metrics: FLModelHeader['metrics']): Totals =>
  Object.fromEntries(
    Object.entries(metrics ?? {}).map(([name, metric]) => [name, totalOf(metric)]),
  );

/** Metrics of OK replies, summed over sites in site order. */
export function sumMetrics(replies: readonly TaskReply[]): Totals {
  const sums = new Map<string, MetricTotal>();
  for (const { returnCode, metrics } of replies) {
    if (returnCode !== 'OK') continue;
    for (const [name, { sum, count }] of Object.entries(metrics)) {
      const before = sums.get(name) ?? { sum: 0, count: 0 };
      sums.set(name, { sum: before.sum + sum, count: before.count + count });
    }
  }
  return Object.fromEntries(sums);
}

/** Sums divided by counts; a metric about nothing is left out. */
export const divided = (metrics: Totals): { [name: string]: number } =>
  Object.fromEntries(
    Object.entries(metrics)
      .filter(([, { count }]) => count > 0)
      .map(([name, { sum, count }]) => [name, sum / count]),
  );

/** Committed replies, one for each (task, site): what a workflow's outcomes are rebuilt from. */
export class Replies {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  has(task: number, site: string): boolean {
    const rows = this.#sql.exec('SELECT 1 FROM replies WHERE task = ? AND site = ?', task, site);
    return rows.toArray().length > 0;
  }

  insert(
    reply: { task: number; site: string; weight: number; upload: string | null },
    header: FLModelHeader,
    now: number,
  ): void {
    this.#sql.exec(
      `INSERT INTO replies (task, site, code, header, weight, upload, received) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      reply.task,
      reply.site,
      header.return_code ?? 'OK',
      JSON.stringify({ metrics: totals(header.metrics), meta: header.meta ?? {} }),
      reply.weight,
      reply.upload,
      now,
    );
  }

  /** In byte order of site names: the order in which they are folded. */
  rows(task: number): ReplyRow[] {
    return this.#sql
      .exec<ReplyRow>('SELECT * FROM replies WHERE task = ? ORDER BY site', task)
      .toArray();
  }

  of(task: number): TaskReply[] {
    return this.rows(task).map(({ site, code, header, model }) => {
      const { metrics, meta } = JSON.parse(header) as { metrics: Totals; meta: JsonObject };
      return { site, returnCode: code, metrics, meta, model: refOf(model) };
    });
  }

  /** Sites that answered with an error, and what. */
  errors(task: number): { site: string; code: ReturnCode }[] {
    return this.#sql
      .exec<{ site: string; code: ReturnCode }>(
        `SELECT site, code FROM replies WHERE task = ? AND code <> 'OK' ORDER BY site`,
        task,
      )
      .toArray();
  }

  /** True if a site answered OK. */
  isOk(task: number, site: string): boolean {
    const rows = this.#sql.exec(
      `SELECT 1 FROM replies WHERE task = ? AND site = ? AND code = 'OK'`,
      task,
      site,
    );
    return rows.toArray().length > 0;
  }

  kept(task: number, site: string, model: ModelRef): void {
    this.#sql.exec(
      'UPDATE replies SET model = ? WHERE task = ? AND site = ?',
      JSON.stringify(model),
      task,
      site,
    );
  }

  /** Their tensors are folded or given up. */
  forgetUploads(task: number): void {
    this.#sql.exec('UPDATE replies SET upload = NULL WHERE task = ? AND upload IS NOT NULL', task);
  }
}
