import { filterParcel, onion } from '../../core/filters/chain.ts';
import type { Parcel, ParcelContext, Received } from '../../core/filters/chain.ts';
import type { Filter, Traffic } from '../../core/filters/filter.ts';
import {
  decodeQuantization,
  encodeQuantization,
} from '../../core/filters/quantization/metadata.ts';
import { findFilter } from '../../core/filters/registry.ts';
import { secretRandom } from '../../core/filters/secret-random.ts';
import { collect, sourceOf } from '../../core/filters/tensor-source.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { TensorRole } from '../../core/tensors/manifest.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Packed } from './fl-model.ts';
import { TaskError } from './task-error.ts';

/** What a filter that declines, or throws, makes of a task. */
const FAILURE = {
  data: 'TASK_DATA_FILTER_ERROR',
  result: 'TASK_RESULT_FILTER_ERROR',
} as const;

/** Elements of a piece that is filtered at once: what a filter holds besides the tensors themselves is a few MB. */
const PIECE = 2 ** 18;

/** A task's data as it is worked on. */
export interface TaskContent {
  readonly data: Readonly<Record<string, unknown>>;
  readonly params: Tensors | undefined;
}

export interface FilterParts {
  readonly on: Traffic;
  /** The job's filters that are for this task and site. */
  readonly ofJob: readonly Pick<JobSpec['filters'][number], 'use' | 'args'>[];
  /** The site's own, around them. */
  readonly own: readonly Filter[];
  readonly roles: ReadonlyMap<string, TensorRole>;
  /** 32 bytes that nobody else can know: noise that can be computed again hides nothing. */
  readonly key: Uint8Array;
}

/** The filters of one task, on its data or on its result: the job's, and around them the site's own. */
export class TaskFilters {
  /** Whose each is and what it is called, in the order in which they work. */
  readonly names: readonly string[];
  /** Whether one of them takes differences only. */
  readonly differ: boolean;
  readonly #filters: readonly Filter[];
  readonly #parts: FilterParts;

  /** Throws TaskError where this site doesn't have a filter. */
  constructor(parts: FilterParts) {
    const { on, ofJob, own } = parts;
    const made = ofJob.map(({ use, args }) => {
      const filter = findFilter(use)?.make(args);
      if (filter?.ok) return { owner: 'job', filter: filter.value };
      throw new TaskError(FAILURE[on], `this site can not filter with '${use}'`);
    });
    const ofSite = own.map((filter) => ({ owner: 'site', filter }));
    const all = onion(on === 'data' ? 'in' : 'out', made, ofSite);
    this.#parts = parts;
    this.#filters = all.map(({ filter }) => filter);
    this.names = all.map(({ owner, filter }) => `${owner}:${filter.name}`);
    this.differ = this.#filters.some(({ needs }) => needs === 'DIFF');
  }

  /** A task's data before it is worked on. `quantization`: what its file says of that. Throws TaskError. */
  data({ data, params }: TaskContent, quantization: string | undefined): TaskContent {
    const coding = quantization === undefined ? undefined : decodeQuantization(quantization);
    if (coding && !coding.ok) throw new TaskError('BAD_TASK_DATA', 'the model', coding.error);
    const passed = this.#pass({
      kind: params ? 'WEIGHTS' : 'APP_DEFINED',
      meta: {},
      data,
      tensors: sourceOf(params ?? new Map(), PIECE),
      quantization: coding?.value,
    });
    if (passed.quantization) {
      const why = `the model is quantised (${passed.quantization.type}), and no filter decodes it`;
      throw new TaskError(FAILURE.data, why);
    }
    return {
      data: passed.data as TaskContent['data'],
      params: params && this.#collected(passed, params),
    };
  }

  /** A result before it is sent. `received`: the model that it was made from. Throws TaskError. */
  result(result: Packed, received: Tensors | undefined): Packed {
    const { kind, meta, data, tensors, content } = result;
    const whole = [...(content.sets ?? [])].find(([, set]) => set.kind === 'WEIGHTS');
    const picky = this.#filters.find(({ needs, wire }) => needs === 'DIFF' && !wire);
    if (whole && picky) {
      const why = `${picky.name}: takes DIFF, got FULL in the set ${whole[0]}`;
      throw new TaskError(FAILURE.result, why);
    }
    const parcel = { kind, meta, data, tensors: sourceOf(tensors, PIECE) };
    const passed = this.#pass(parcel, received);
    const left = this.#collected(passed, tensors);
    const prefixes = [...(content.sets?.keys() ?? [])].map((name) => `${name}/`);
    const params = new Map(
      [...left].filter(([name]) => !prefixes.some((prefix) => name.startsWith(prefix))),
    );
    const paramsType = passed.kind === 'WEIGHTS' ? 'FULL' : 'DIFF';
    return {
      ...result,
      kind: passed.kind,
      meta: passed.meta,
      data: passed.data,
      tensors: left,
      quantization: passed.quantization && encodeQuantization(passed.quantization),
      model: {
        ...result.model,
        meta: passed.meta,
        ...(result.model.params && { paramsType, params }),
      },
    };
  }

  #pass(parcel: Parcel, received?: Tensors): Parcel {
    const { on, roles, key } = this.#parts;
    const context: ParcelContext = {
      on,
      roles,
      random: secretRandom(key),
      received: received && receivedFrom(received),
    };
    return this.#guarded(() => {
      const passed = filterParcel(this.#filters, parcel, context);
      if (passed.ok) return passed.value;
      const { filter, detail } = passed.error;
      throw new TaskError(FAILURE[on], `${filter}: ${detail}`);
    });
  }

  /** The tensors that came out: those that went in where no filter touched them. */
  #collected({ tensors }: Parcel, before: Tensors): Tensors {
    const untouched = tensors.specs.length === before.size && !this.#changes();
    return untouched ? before : this.#guarded(() => collect(tensors));
  }

  #changes(): boolean {
    return this.#filters.some((filter) => 'map' in filter || 'keeps' in filter);
  }

  /** A filter that throws is one that declines: its text may quote data, so it stays here. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof TaskError) throw cause;
      throw new TaskError(FAILURE[this.#parts.on], 'a filter failed', [], { cause });
    }
  }
}

const receivedFrom = (tensors: Tensors): Received => ({
  specs: new Map([...tensors].map(([name, { dtype, shape }]) => [name, { name, dtype, shape }])),
  read(name, from, to) {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`no tensor ${name}`);
    return tensor.data.subarray(from, to);
  },
});
