import type { Tensors } from '../tensors/tensor.ts';
import { DATA_KINDS } from './data-kind.ts';
import type { DataKind } from './data-kind.ts';
import type { Metric } from './fl-model.ts';
import { HeaderKey, Shareable } from './shareable.ts';

/** FLARE's MetaKey: what DXO meta says in FLARE's own words. */
export const MetaKey = {
  NUM_STEPS_CURRENT_ROUND: 'NUM_STEPS_CURRENT_ROUND',
  PROCESSED_ALGORITHM: 'PROCESSED_ALGORITHM',
  PROCESSED_KEYS: 'PROCESSED_KEYS',
  INITIAL_METRICS: 'initial_metrics',
  FILTER_HISTORY: 'filter_history',
  CONFIGS: 'configs',
  VALIDATE_TYPE: 'validate_type',
  CURRENT_ROUND: 'current_round',
  TOTAL_ROUNDS: 'total_rounds',
  JOB_ID: 'job_id',
  SITE_NAME: 'site_name',
  SUBMIT_MODEL_NAME: 'submit_model_name',
} as const;

type Props = Readonly<Record<string, unknown>>;

/** What each kind of DXO holds. What is no tensor is JSON. */
export interface DataOf {
  /** Fields of an FLModel. */
  FL_MODEL: Props;
  WEIGHTS: Tensors;
  WEIGHT_DIFF: Tensors;
  METRICS: Readonly<Record<string, Metric>>;
  ANALYTIC: Props;
  /** One level: a collection in a collection doesn't travel. */
  COLLECTION: ReadonlyMap<string, DXO>;
  STATISTICS: Props;
  PSI: Props;
  /** JSON, or tensors. */
  APP_DEFINED: unknown;
}

type Dict = { kind: unknown; data: unknown; meta?: unknown };

const CONTENT_TYPE = 'DXO';
const KEY = 'DXO';
/** Kinds whose data is a map; that of the others is an object, and of APP_DEFINED anything. */
const MAPS: ReadonlySet<string> = new Set(['WEIGHTS', 'WEIGHT_DIFF', 'COLLECTION']);

/**
 * FLARE's Data Exchange Object (nvflare/apis/dxo.py): data, what kind it is, and meta. Throws TypeError where the data
 * isn't of its kind.
 */
export class DXO<K extends DataKind = DataKind> {
  readonly dataKind: K;
  data: DataOf[K];
  meta: Record<string, unknown>;

  constructor(dataKind: K, data: DataOf[K], meta: Props = {}) {
    if (!DATA_KINDS.includes(dataKind)) throw new TypeError(`invalid DXO: no kind '${dataKind}'`);
    const fits = MAPS.has(dataKind) ? data instanceof Map : isObject(data);
    if (dataKind === 'APP_DEFINED' ? data === undefined : !fits) {
      const expected = MAPS.has(dataKind) ? 'a Map' : 'an object';
      throw new TypeError(`invalid DXO: ${dataKind} takes ${expected}, got ${typeof data}`);
    }
    this.dataKind = dataKind;
    this.data = data;
    this.meta = { ...meta };
  }

  /** Whether it is of this kind, and its data known to be. */
  is<Kind extends DataKind>(kind: Kind): this is DXO<Kind> {
    const own: DataKind = this.dataKind;
    return own === kind;
  }

  getMetaProp(key: string): unknown;
  getMetaProp<T>(key: string, otherwise: T): T;
  getMetaProp<T>(key: string, otherwise?: T): T | undefined {
    return Object.hasOwn(this.meta, key) ? (this.meta[key] as T) : otherwise;
  }

  setMetaProp(key: string, value: unknown): void {
    this.meta[key] = value;
  }

  updateMetaProps(props: Props): void {
    Object.assign(this.meta, props);
  }

  removeMetaProps(keys: readonly string[]): void {
    for (const key of keys) delete this.meta[key];
  }

  addFilterHistory(...names: readonly string[]): void {
    this.meta[MetaKey.FILTER_HISTORY] = [...this.getFilterHistory(), ...names];
  }

  getFilterHistory(): readonly string[] {
    return this.getMetaProp<readonly string[]>(MetaKey.FILTER_HISTORY, []);
  }

  toDict(): { kind: K; data: DataOf[K]; meta: Record<string, unknown> } {
    return { kind: this.dataKind, data: this.data, meta: this.meta };
  }

  toShareable(): Shareable {
    return this.updateShareable(new Shareable());
  }

  /** Puts it into a Shareable, in place of the DXO that is there. */
  updateShareable(shareable: Shareable): Shareable {
    shareable.setHeader(HeaderKey.CONTENT_TYPE, CONTENT_TYPE);
    shareable.set(KEY, this.toDict());
    return shareable;
  }

  /** Throws TypeError where there is none in it. */
  static fromShareable(shareable: Shareable): DXO {
    const type = shareable.getHeader(HeaderKey.CONTENT_TYPE);
    if (type !== CONTENT_TYPE) {
      throw new TypeError(`not a DXO: expected content type DXO, got ${String(type)}`);
    }
    return DXO.fromDict(shareable.get(KEY));
  }

  /** Throws TypeError where it isn't one. */
  static fromDict(dict: unknown): DXO {
    if (!isObject(dict)) throw new TypeError('not a DXO: missing content');
    const { kind, data, meta } = dict as Dict;
    return new DXO(kind as DataKind, data, (meta ?? {}) as Props);
  }

  /** The DXOs that are no collections, by their path: names joined by dots (FLARE's get_leaf_dxos). */
  leaves(root = ''): Map<string, DXO> {
    const found = new Map<string, DXO>();
    if (!this.is('COLLECTION')) return found.set(root, this);
    for (const [name, dxo] of this.data) {
      const path = root === '' ? name : `${root}.${name}`;
      for (const [leaf, each] of dxo.leaves(path)) found.set(leaf, each);
    }
    return found;
  }
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
