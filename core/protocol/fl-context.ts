/** Well-known props: FLARE's FLContextKey. */
export const FLContextKey = {
  ENGINE: '__engine__',
  IDENTITY_NAME: '__identity_name__',
  CURRENT_JOB_ID: '__run_num__',
  PEER_CONTEXT: '__peer_ctx__',
  TASK_NAME: '__task_name__',
  TASK_ID: '__task_id__',
  TASK_DATA: '__task_data__',
  TASK_RESULT: '__task_result__',
  WORKFLOW: '__workflow__',
  ARGS: '__args__',
  JOB_META: '__job_meta__',
  RUN_ABORT_SIGNAL: '__run_abort_signal__',
  EVENT_ID: '__event_id__',
  EVENT_ORIGIN: '__event_origin__',
  EVENT_ORIGIN_SITE: '__event_origin_site__',
  EVENT_DATA: '__event_data__',
  EVENT_SCOPE: '__event_scope__',
  EXCEPTIONS: '__exceptions__',
} as const;

/** Who sees a prop, and for how long. FLARE's defaults: private, sticky. */
export interface Visibility {
  /** False: public, it travels to the peer. */
  readonly private?: boolean;
  /** True: it is in all contexts of the job, before and after this one; else in this context only. */
  readonly sticky?: boolean;
}

interface Prop extends Required<Visibility> {
  readonly value: unknown;
}

/** The props that outlive a context: one of these a job and party. FLARE's FLContextManager. */
export class FLContextManager {
  readonly #fixed: ReadonlyMap<string, Prop>;
  readonly #stickers = new Map<string, Prop>();

  /** `engine` is seen here only; the identity and the job id are public. */
  constructor(about: {
    readonly engine?: unknown;
    readonly identity: string;
    readonly job: string;
  }) {
    this.#fixed = new Map<string, Prop>([
      [FLContextKey.ENGINE, { value: about.engine, private: true, sticky: false }],
      [FLContextKey.CURRENT_JOB_ID, { value: about.job, private: false, sticky: true }],
      [FLContextKey.IDENTITY_NAME, { value: about.identity, private: false, sticky: false }],
    ]);
  }

  newContext(): FLContext {
    return new FLContext(this.#stickers, this.#fixed);
  }
}

/**
 * What components of one party tell each other while one thing is done, a task say: FLARE's FLContext
 * (nvflare/apis/fl_context.py). Public props travel with the next message to the peer, and are found there in the peer
 * context; sticky ones are at once in every context of the job.
 */
export class FLContext {
  readonly #own: Map<string, Prop>;
  readonly #stickers: Map<string, Prop>;

  constructor(stickers: Map<string, Prop> = new Map(), own: ReadonlyMap<string, Prop> = new Map()) {
    this.#stickers = stickers;
    this.#own = new Map(own);
  }

  /** False, and nothing changes, where the prop is there with another visibility. */
  setProp(key: string, value: unknown, visibility: Visibility = {}): boolean {
    const { private: hidden = true, sticky = true } = visibility;
    const there = this.#own.get(key) ?? this.#stickers.get(key);
    if (there && (there.private !== hidden || there.sticky !== sticky)) return false;
    const where = sticky && !this.#own.has(key) ? this.#stickers : this.#own;
    where.set(key, { value, private: hidden, sticky });
    return true;
  }

  getProp(key: string): unknown;
  getProp<T>(key: string, otherwise: T): T;
  getProp<T>(key: string, otherwise?: T): T | undefined {
    const prop = this.#find(key);
    return prop ? (prop.value as T) : otherwise;
  }

  /** The prop with its visibility. */
  getPropDetail(key: string): Prop | undefined {
    return this.#find(key);
  }

  getPropKeys(): string[] {
    return [...new Set([...this.#own.keys(), ...this.#stickers.keys()])];
  }

  /** What travels to the peer. */
  getAllPublicProps(): Record<string, unknown> {
    const props: Record<string, unknown> = {};
    for (const key of this.getPropKeys()) {
      const prop = this.#find(key);
      if (prop && !prop.private) props[key] = prop.value;
    }
    return props;
  }

  /** From this context; a sticky one stays in the others. Reserved names (`__...`) stay. */
  removeProp(key: string): void {
    if (!key.startsWith('__')) this.#own.delete(key);
  }

  getJobId(): string {
    return this.getProp(FLContextKey.CURRENT_JOB_ID, '');
  }

  getIdentityName(): string {
    return this.getProp(FLContextKey.IDENTITY_NAME, '');
  }

  /** The other party as it last spoke: its public props. */
  getPeerContext(): FLContext | undefined {
    return this.getProp(FLContextKey.PEER_CONTEXT) as FLContext | undefined;
  }

  setPeerContext(props: Readonly<Record<string, unknown>>): void {
    const peer = new FLContext();
    for (const [key, value] of Object.entries(props)) {
      peer.setProp(key, value, { private: false, sticky: false });
    }
    this.setProp(FLContextKey.PEER_CONTEXT, peer, { sticky: false });
  }

  #find(key: string): Prop | undefined {
    return this.#own.get(key) ?? this.#stickers.get(key);
  }
}
