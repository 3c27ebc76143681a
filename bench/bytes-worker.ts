// A Worker with nothing but the room of bytes: what bench/bytes.ts measures on bare workerd.
import { DurableObject } from 'cloudflare:workers';
import { GiB } from '../core/protocol/limits.ts';
import { CHUNK_TABLES, ChunkRows } from '../durable/bytes/chunk-rows.ts';
import { FOLD_TABLES, Folding } from '../durable/folding/folding.ts';
import { kernel } from '../durable/folding/kernel.ts';
import { MODEL_TABLES, ModelStore } from '../durable/models/model-store.ts';
import { RESULT_TABLES, ResultStore } from '../durable/results/result-store.ts';

interface BenchEnv {
  readonly BYTES: DurableObjectNamespace;
}

const rule = (base: string) => ({
  tensors: 'required' as const,
  paramsType: 'ANY' as const,
  layoutOf: base,
  partial: false,
  maxBytes: GiB,
});

export class BytesObject extends DurableObject<BenchEnv> {
  readonly #storage: DurableObjectStorage;
  readonly #results: ResultStore;
  readonly #models: ModelStore;
  readonly #folding: Folding;

  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env);
    const { sql } = (this.#storage = ctx.storage);
    for (const table of [...CHUNK_TABLES, ...RESULT_TABLES, ...MODEL_TABLES, ...FOLD_TABLES]) {
      sql.exec(table);
    }
    const rows = new ChunkRows(sql, 8 * GiB);
    const models = (this.#models = new ModelStore(sql, rows, kernel));
    const layoutOf = (digest: string) => models.layout(digest);
    const results = (this.#results = new ResultStore({ sql, rows, kernel, layoutOf }));
    this.#folding = new Folding({ sql, rows, results, models, kernel });
  }

  override async fetch(request: Request): Promise<Response> {
    const [, verb, id = '', base = ''] = new URL(request.url).pathname.split('/');
    if (verb === 'models' && request.method === 'GET') return this.#models.serve(id, request);
    if (verb === 'models') {
      return Response.json(await this.#models.importModel(id, request.body as ReadableStream));
    }
    if (verb === 'results') return this.#result(request, id, base);
    if (verb === 'fold') return this.#fold(id.split(','), base);
    return new Response(null, { status: 404 });
  }

  async #result(request: Request, site: string, base: string): Promise<Response> {
    const received = await this.#results.receive(request, { task: 't', site }, rule(base));
    if (!received.ok) return Response.json(received.error, { status: 422 });
    if (received.value.kind !== 'staged') return Response.json(received.value);
    const upload = received.value.upload as string;
    this.#storage.transactionSync(() => this.#results.commit(upload, 't', site));
    return Response.json({ upload });
  }

  async #fold(uploads: string[], base: string): Promise<Response> {
    const replies = uploads.map((upload, i) => ({ site: `s${i}`, weight: i + 1, upload }));
    const outputs = [{ key: 'global', use: 'mean', replies }];
    this.#folding.open('t', { base, paramsType: 'FULL', outputs });
    for (;;) {
      const step = this.#storage.transactionSync(() => this.#folding.step('t'));
      if (step.state !== 'more') {
        this.#folding.drop('t');
        return Response.json(step);
      }
      await scheduler.wait(0);
    }
  }
}

export default {
  fetch: (request: Request, { BYTES }: BenchEnv): Promise<Response> =>
    BYTES.get(BYTES.idFromName('bench')).fetch(request),
};
