import { backoffMS, pause } from './backoff.ts';
import type { Pause } from './backoff.ts';
import { ProblemError } from './problem-error.ts';
import { subjectOf } from './sending.ts';
import type { OnSend, Sending } from './sending.ts';

/** The part of `fetch` that the kit uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A request that will be sent again. */
export interface Retry {
  readonly method: string;
  readonly path: string;
  /** Tries so far. */
  readonly attempt: number;
  readonly waitMS: number;
  readonly cause: Error;
}

export interface ConnectionOptions {
  /** Origin of the server, like `https://fl.example.org`. */
  readonly server: string;
  readonly token?: string | undefined;
  readonly fetch?: Fetch | undefined;
  readonly pause?: Pause | undefined;
  /** Uniform in [0, 1): only for backoff. */
  readonly random?: (() => number) | undefined;
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  readonly onSend?: OnSend | undefined;
}

export type HeaderMap = Readonly<Record<string, string>>;

export interface RequestOptions {
  /** A function is asked anew before every try. */
  readonly headers?: HeaderMap | (() => HeaderMap);
  readonly body?: Blob | string;
  /** What a result went through, for `onSend`. */
  readonly filters?: Sending['filters'];
  readonly signal?: AbortSignal | undefined;
  /** Longest silence. The default outlasts a long poll of 25 s. */
  readonly timeoutMS?: number;
  /** Tries in all; without it the request is repeated until the signal aborts. */
  readonly attempts?: number | undefined;
  /** Which refusals are worth another try; by default those that say "not now" rather than "no". */
  readonly again?: ((refusal: ProblemError) => boolean) | undefined;
}

/** A request that failed, and how it may be repeated. */
export interface Failed extends Pick<RequestOptions, 'signal' | 'attempts' | 'again'> {
  readonly method: string;
  readonly path: string;
  /** Tries so far. */
  readonly attempt: number;
}

export interface JsonOptions extends Omit<RequestOptions, 'body' | 'headers'> {
  readonly headers?: HeaderMap;
  /** The body; without it none is sent. */
  readonly json?: unknown;
}

/** Reads a successful answer; calls `alive` for each piece of a long one. */
export type ReadAnswer<T> = (answer: Response, alive: () => void) => Promise<T>;

const TIMEOUT_MS = 60_000;
/** Slowest upload that isn't given up: 32 KiB a second. */
const SLOWEST_BYTES_PER_MS = 32;

/** Answers that say "not now" rather than "no". 507: job storage is full until a fold frees it. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 507]);
/** A redirection is never followed: the server is who was named, and nothing goes anywhere else. A login page goes away. */
const isRedirection = (status: number): boolean => status === 0 || (status >= 300 && status < 400);
export const isTransient = ({ status }: ProblemError): boolean =>
  TRANSIENT.has(status) || isRedirection(status);
/** Any other refusal that is tried again waits at least this long: somebody has to mend something first. */
const REFUSED_MS = 30_000;

/**
 * Requests to one server. Every request of the kit is idempotent (by its nature, or by Idempotency-Key), so each is
 * repeated, with full jitter and the server's Retry-After, while the network or the server is down.
 */
export class Connection {
  readonly server: URL;
  readonly #options: ConnectionOptions;
  readonly #fetch: Fetch;

  constructor(options: ConnectionOptions) {
    this.server = new URL(options.server);
    this.#options = options;
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  }

  /** The same server, as somebody else. */
  withToken(token: string): Connection {
    return new Connection({ ...this.#options, token });
  }

  /**
   * Sends, and gives what `read` makes of the first successful answer. Rejects with ProblemError on a refusal, or with
   * the signal's reason. A connection lost while reading is a failed try like any other.
   */
  async send<T>(
    method: string,
    path: string,
    options: RequestOptions,
    read: ReadAnswer<T>,
  ): Promise<T> {
    const url = this.#url(path);
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted();
      await this.#announce(method, url, options);
      try {
        return await this.#try(method, url, options, read);
      } catch (error) {
        await this.beforeRetry(error, { ...options, method, path, attempt });
      }
    }
  }

  /** Waits until it is time for another try; rejects with the failure itself where there is to be none. */
  async beforeRetry(error: unknown, failed: Failed): Promise<void> {
    const { method, path, attempt, signal, attempts = Infinity, again = isTransient } = failed;
    signal?.throwIfAborted();
    const cause = error instanceof Error ? error : new Error(String(error));
    const refusal = cause instanceof ProblemError ? cause : undefined;
    if ((refusal && !again(refusal)) || attempt >= attempts) throw cause;
    const jitter = backoffMS(attempt - 1, this.#options.random ?? Math.random);
    const least = refusal && !isTransient(refusal) ? REFUSED_MS : 0;
    const waitMS = Math.max(jitter, least, refusal?.retryAfterMS ?? 0);
    this.#options.onRetry?.({ method, path, attempt, waitMS, cause });
    await (this.#options.pause ?? pause)(waitMS, signal);
  }

  /** Sends JSON (or nothing) and reads JSON. The type is the caller's claim: a server's answer is trusted to be one. */
  json<T>(
    method: string,
    path: string,
    { json, headers, ...options }: JsonOptions = {},
  ): Promise<T> {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const request: RequestOptions = {
      ...options,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    };
    return this.send(method, path, request, (answer) => answer.json() as Promise<T>);
  }

  async #announce(
    method: string,
    url: string,
    { body, headers, filters }: RequestOptions,
  ): Promise<void> {
    if (body === undefined || (body instanceof Blob && body.size === 0)) return;
    const range = (typeof headers === 'function' ? headers() : headers)?.['content-range'];
    await this.#options.onSend?.({ ...subjectOf(url), method, url, body, range, filters });
  }

  /** Paths come from the server: one that leads elsewhere must not carry the token there. */
  #url(path: string): string {
    const url = new URL(path, this.server);
    if (url.origin !== this.server.origin) throw new TypeError(`not on this server: ${path}`);
    return url.href;
  }

  async #try<T>(
    method: string,
    url: string,
    { headers, body, signal, timeoutMS = TIMEOUT_MS }: RequestOptions,
    read: ReadAnswer<T>,
  ): Promise<T> {
    const { token } = this.#options;
    const silence = new AbortController();
    const give = (): void => silence.abort(new Error('the server was silent for too long'));
    const bytes = body instanceof Blob ? body.size : 0;
    let timer = setTimeout(give, timeoutMS + bytes / SLOWEST_BYTES_PER_MS);
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(give, timeoutMS);
    };
    try {
      const response = await this.#fetch(url, {
        method,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          ...(typeof headers === 'function' ? headers() : headers),
        },
        ...(body !== undefined && { body }),
        signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
        cache: 'no-store',
        redirect: 'manual',
      });
      if (!response.ok) throw await ProblemError.from(response);
      return await read(response, alive);
    } finally {
      clearTimeout(timer);
    }
  }
}
