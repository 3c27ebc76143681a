import type { Connection } from '../../client-kit/src/connection.ts';
import { pathOf, ROUTES } from '../../core/protocol/http.ts';
import type { RouteId, Routes, Target } from '../../core/protocol/http.ts';
import type { JobSummary } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Answer, BodyInput, Route } from '../../core/protocol/route.ts';
import type { SiteSummary } from '../../core/protocol/site.ts';

/** Tries of one request: a command tells a person that the server is away instead of waiting for it. */
const ATTEMPTS = 3;

/** Hears how many bytes of an answer have come. */
export type OnBytes = (received: number) => void;

/** The server's routes as functions, typed by the table that the server itself is built from. */
export class ServerApi {
  readonly connection: Connection;
  readonly #common: { readonly attempts: number; readonly signal?: AbortSignal };

  constructor(connection: Connection, signal?: AbortSignal, attempts = ATTEMPTS) {
    this.connection = connection;
    this.#common = { attempts, ...(signal && { signal }) };
  }

  /** Calls one route. Rejects with ProblemError on a refusal, with the network's error when nobody answers. */
  async call<K extends RouteId>(
    id: K,
    target: Target<Routes[K]>,
    json?: BodyInput<Routes[K]>,
  ): Promise<Exclude<Answer<Routes[K]>, null>> {
    const route: Route = ROUTES[id];
    const [method] = route.methods;
    const options = {
      ...this.#common,
      headers: {
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(route.idempotent && { 'idempotency-key': crypto.randomUUID() }),
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    };
    return this.connection.send(method, pathOf(id, target), options, async (answer) => {
      const text = await answer.text();
      return (text === '' ? undefined : JSON.parse(text)) as Exclude<Answer<Routes[K]>, null>;
    });
  }

  /** Up to `limit` sites, by name. */
  sites(limit: number): Promise<SiteSummary[]> {
    return pages(limit, async (page) => {
      const { sites, next } = await this.call('listSites', { query: page });
      return { items: sites, next };
    });
  }

  /** Up to `limit` jobs, newest first. */
  jobs(limit: number): Promise<JobSummary[]> {
    return pages(limit, async (page) => {
      const { jobs, next } = await this.call('listJobs', { query: page });
      return { items: jobs, next };
    });
  }

  /** A model's safetensors file, whole. */
  model(id: string, name: string, onBytes?: OnBytes): Promise<Uint8Array<ArrayBuffer>> {
    const path = pathOf('getModel', { id, name });
    return this.connection.send('GET', path, this.#common, (answer, alive) =>
      readAll(answer, (received) => {
        alive();
        onBytes?.(received);
      }),
    );
  }
}

type PageQuery = { readonly limit: number; readonly cursor?: string };
type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

const pages = async <T>(
  limit: number,
  read: (page: PageQuery) => Promise<Page<T>>,
): Promise<T[]> => {
  const found: T[] = [];
  for (let cursor: string | null = ''; cursor !== null && found.length < limit;) {
    const rest = Math.min(LIMITS.pageMax, limit - found.length);
    const page: Page<T> = await read({ limit: rest, ...(cursor !== '' && { cursor }) });
    found.push(...page.items);
    cursor = page.next;
  }
  return found;
};

const readAll = async (answer: Response, onBytes: OnBytes): Promise<Uint8Array<ArrayBuffer>> => {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  if (answer.body) {
    for await (const part of answer.body) {
      parts.push(part);
      received += part.length;
      onBytes(received);
    }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
};
