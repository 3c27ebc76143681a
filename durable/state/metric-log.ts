import type { AnalyticsEntry, AnalyticsRecord } from '../../core/protocol/analytics.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { MetricsQuery } from '../stubs.ts';

type Row = {
  id: number;
  site: string;
  key: string;
  value: string;
  type: string;
  step: number | null;
  time: number;
};

/**
 * Values that sites logged, by (site, seq): a batch sent twice counts once. The newest LIMITS.metricsKept are kept; a
 * site's floor remembers what was dropped, so that a late repetition of it stays dropped.
 */
export class MetricLog {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** -> the entries that are new */
  append(site: string, entries: readonly AnalyticsEntry[], now: number): AnalyticsEntry[] {
    const [floor] = this.#sql
      .exec<{ seq: number }>('SELECT seq FROM metric_floors WHERE site = ?', site)
      .toArray();
    const fresh: AnalyticsEntry[] = [];
    for (const entry of entries) {
      if (entry.seq <= (floor?.seq ?? -1)) continue;
      const { rowsWritten } = this.#sql.exec(
        // Not INSERT OR IGNORE: that would use up an id.
        `INSERT INTO metrics (site, seq, key, value, type, step, time) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE NOT EXISTS (SELECT 1 FROM metrics WHERE site = ?1 AND seq = ?2)`,
        site,
        entry.seq,
        entry.key,
        JSON.stringify(entry.value),
        entry.type,
        entry.step ?? null,
        entry.time ?? now,
      );
      if (rowsWritten > 0) fresh.push(entry);
    }
    if (fresh.length > 0) this.#trim();
    return fresh;
  }

  #trim(): void {
    const { last } = this.#sql.exec<{ last: number }>('SELECT max(id) AS last FROM metrics').one();
    const gone = last - LIMITS.metricsKept;
    if (gone <= 0) return;
    this.#sql.exec(
      `INSERT INTO metric_floors (site, seq) SELECT site, max(seq) FROM metrics WHERE id <= ? GROUP BY site
       ON CONFLICT (site) DO UPDATE SET seq = max(seq, excluded.seq)`,
      gone,
    );
    this.#sql.exec('DELETE FROM metrics WHERE id <= ?', gone);
  }

  /** A page in the order of arrival; `next` is where the following one begins. Ids that are missing were dropped. */
  page({ after = 0, limit, key, site }: MetricsQuery): {
    metrics: AnalyticsRecord[];
    next: number | null;
  } {
    const rows = this.#sql
      .exec<Row>(
        `SELECT id, site, key, value, type, step, time FROM metrics
         WHERE id > ?1 AND (?2 IS NULL OR key = ?2) AND (?3 IS NULL OR site = ?3) ORDER BY id LIMIT ?4`,
        after,
        key ?? null,
        site ?? null,
        limit + 1,
      )
      .toArray();
    const metrics = rows
      .slice(0, limit)
      .map((row) => ({ ...row, value: JSON.parse(row.value) as unknown }));
    return { metrics, next: rows.length > limit ? (metrics.at(-1)?.id ?? null) : null };
  }
}
