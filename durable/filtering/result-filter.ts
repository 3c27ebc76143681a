import { filterParcel } from '../../core/filters/chain.ts';
import type { Parcel } from '../../core/filters/chain.ts';
import { kindOf } from '../../core/filters/data-kind.ts';
import type { Filter } from '../../core/filters/filter.ts';
import { findFilter } from '../../core/filters/registry.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { matchLayout, packLayout } from '../../core/tensors/layout.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { free } from '../bytes/chunk-rows.ts';
import { sameTable } from '../bytes/spans.ts';
import { isStorageFault } from '../bytes/storage-fault.ts';
import type { ModelStore } from '../models/model-store.ts';
import { codingOf } from '../results/coding.ts';
import { failed } from '../results/reply-header.ts';
import type { ResultRule } from '../results/reply-header.ts';
import type { ResultKey } from '../results/result-intake.ts';
import type { Received, ResultStore } from '../results/result-store.ts';
import type { JobRecord } from '../state/job-record.ts';
import { said, serverContext, serverFilters } from './server-chain.ts';
import { rowsOf, storedSource } from './stored-tensors.ts';

type Staged = Extract<Received, { kind: 'staged' }>;

interface Parts {
  readonly record: JobRecord;
  readonly results: ResultStore;
  readonly models: ModelStore;
}

/** Whose result, for what. */
export interface FilteredKey extends ResultKey {
  /** The task's name. */
  readonly name: string;
}

/**
 * The job's filters at the server on a result, between its last byte and the turn that accepts it. What they make of the
 * tensors is staged as an upload of its own in place of the one that came; what a filter declines becomes a reply of
 * TASK_RESULT_FILTER_ERROR, as in FLARE. An object that ends meanwhile has accepted nothing: the site sends again.
 */
export class ResultFilter {
  readonly #parts: Parts;
  /** One at a time: each holds a few rows. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The result as it is to be accepted. The upload that came is gone where there is another or none. */
  async pass(key: FilteredKey, rule: ResultRule, came: Staged): Promise<Result<Received, Fault>> {
    const filters = serverFilters(this.#parts.record.spec(), 'result', key.name, key.site);
    if (filters.length === 0 || failed(came.header)) return ok(came);
    const work = this.#last.then(() => this.#guarded(filters, key, rule, came));
    this.#last = work.catch(() => undefined);
    return work;
  }

  /** A filter that throws is one that declines. */
  async #guarded(
    filters: readonly Filter[],
    key: FilteredKey,
    rule: ResultRule,
    came: Staged,
  ): Promise<Result<Received, Fault>> {
    const { results } = this.#parts;
    const { upload } = came;
    if (upload !== null && !results.has(upload)) return ok({ kind: 'over' });
    let answer: Result<Received | null, string>;
    try {
      answer = await this.#pass(filters, key, rule, came);
    } catch (error) {
      if (isStorageFault(error) || (upload !== null && !results.has(upload))) throw error;
      console.error(`a filter of ${key.name} failed`, error);
      answer = err('a filter failed');
    }
    if (answer.ok && answer.value) return ok(answer.value);
    if (upload !== null) results.drop(upload);
    if (answer.ok)
      return err({ reason: 'storage-full', detail: 'no room for what the filters make' });
    const header: FLModelHeader = {
      return_code: 'TASK_RESULT_FILTER_ERROR',
      meta: { detail: answer.error },
    };
    return ok({ kind: 'staged', upload: null, header });
  }

  /** Null where there is no room. */
  async #pass(
    filters: readonly Filter[],
    key: FilteredKey,
    rule: ResultRule,
    came: Staged,
  ): Promise<Result<Received | null, string>> {
    const { results, models, record } = this.#parts;
    const { upload, header } = came;
    const base = rule.layoutOf === null ? null : models.layout(rule.layoutOf);
    const parcel = this.#parcel(came);
    const context = serverContext(record.spec(), 'result');
    const filtered = filterParcel(this.#numbers(filters, parcel), parcel, context);
    if (!filtered.ok) return err(said(filtered.error));
    const { kind, meta, data, tensors, quantization } = filtered.value;
    const after: FLModelHeader = {
      ...header,
      meta,
      ...(upload !== null && { params_type: kind === 'WEIGHTS' ? 'FULL' : 'DIFF' }),
      ...(data !== undefined && { data }),
    };
    if (upload === null || tensors === parcel.tensors) return ok({ ...came, header: after });
    const layout = packLayout(tensors.specs);
    const coding = quantization && codingOf(quantization);
    if (base && !coding) {
      const match = matchLayout(base, layout, { partial: rule.partial });
      if (!match.ok) return err(`the filters leave no result: ${match.error.reason}`);
    }
    if (layout.dataBytes > results.room()) return ok(null);
    const same = base !== null && !coding && sameTable(base, layout);
    const table = same ? { layout: base, layoutOf: rule.layoutOf } : { layout, layoutOf: null };
    const made = results.begin(key, { ...table, coding });
    let n = 0;
    for (const row of rowsOf(tensors, table.layout)) {
      results.put(made, n++, row);
      free(row);
      if ((n * LIMITS.rowBytes) % LIMITS.foldSliceBytes === 0) await scheduler.wait(0); // let others in
      if (!results.has(made) || !results.has(upload)) return ok({ kind: 'over' });
    }
    results.drop(upload);
    return ok({ kind: 'staged', upload: made, header: after });
  }

  /** Filters that take numbers get them, though a site has sent codes. */
  #numbers(filters: readonly Filter[], { quantization }: Parcel): readonly Filter[] {
    if (!quantization || filters.every(({ needs }) => needs !== 'DIFF')) return filters;
    const dequantizer = findFilter('model-dequantizer')?.make({});
    return dequantizer?.ok ? [dequantizer.value, ...filters] : filters;
  }

  #parcel({ upload, header }: Staged): Parcel {
    const { results } = this.#parts;
    const { meta = {}, data, data_kind, params_type = 'FULL', metrics } = header;
    const about = { meta, data };
    if (upload === null) {
      const kind = data_kind ?? (metrics ? 'METRICS' : 'APP_DEFINED');
      return { ...about, kind, tensors: { specs: [], read: () => [] } };
    }
    const { layout, coding } = results.table(upload);
    return {
      ...about,
      kind: kindOf(params_type),
      tensors: storedSource(layout, (offset, length) => results.read(upload, offset, length)),
      quantization: coding?.quantization,
    };
  }
}
