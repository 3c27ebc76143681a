import { env } from 'cloudflare:workers';
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { createHash } from 'node:crypto';
import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import { GiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { ChunkRows } from '../../durable/bytes/chunk-rows.ts';
import type { Env } from '../../durable/env.ts';
import { FOLD_TABLES, Folding } from '../../durable/folding/folding.ts';
import { kernel } from '../../durable/folding/kernel.ts';
import { MODEL_TABLES, ModelStore } from '../../durable/models/model-store.ts';
import type { ResultRule } from '../../durable/results/reply-header.ts';
import { RESULT_TABLES, ResultStore } from '../../durable/results/result-store.ts';

/** The stores of one object, freshly constructed: nothing in memory from before. */
export interface Room {
  readonly rows: ChunkRows;
  readonly models: ModelStore;
  readonly results: ResultStore;
  readonly folding: Folding;
  readonly storage: DurableObjectStorage;
}

interface RoomOptions {
  readonly capacity?: number;
  readonly find?: (name: string) => Aggregator | undefined;
  readonly sliceBytes?: number;
}

const roomOn = (
  storage: DurableObjectStorage,
  { capacity = 8 * GiB, ...options }: RoomOptions = {},
): Room => {
  const { sql } = storage;
  for (const table of [...RESULT_TABLES, ...MODEL_TABLES, ...FOLD_TABLES]) sql.exec(table);
  const rows = new ChunkRows(sql, capacity);
  const models = new ModelStore(sql, rows, kernel);
  const layoutOf = (digest: string) => models.layout(digest);
  const results = new ResultStore({ sql, rows, kernel, layoutOf });
  const folding = new Folding({ sql, rows, results, models, kernel, ...options });
  return { rows, models, results, folding, storage };
};

const { BLOB } = env as unknown as Env;
let objects = 0;

/** An object of its own for one test: `use` gives new stores on its storage each time, `evict` ends what it has in memory. */
export const newRoom = (options?: RoomOptions) => {
  const stub = BLOB.get(BLOB.idFromName(`room ${objects++} ${crypto.randomUUID()}`));
  return {
    use: <T>(action: (room: Room) => T | Promise<T>): Promise<T> =>
      runInDurableObject(stub, (_, { storage }) => action(roomOn(storage, options))),
    evict: (): Promise<void> => evictDurableObject(stub),
  };
};

export const sha256Of = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

export const f32 = (shape: readonly number[], values: ArrayLike<number>) => ({
  dtype: 'F32' as const,
  shape,
  data: Float32Array.from(values),
});

/** A result file: tensors and an FLModel. */
export const resultFile = (tensors: Tensors, flModel: object = { params_type: 'FULL' }) =>
  encode(tensors, new Map([['fl_model', JSON.stringify(flModel)]]));

export const put = (body: BodyInit | null, headers: Record<string, string> = {}): Request =>
  new Request('http://job/tasks/t/result', {
    method: 'PUT',
    body,
    headers: {
      'content-type': 'application/x-safetensors',
      ...(body instanceof Uint8Array && { 'content-length': String(body.length) }),
      ...headers,
    },
  });

export const ruleFor = (layoutOf: string | null, rule: Partial<ResultRule> = {}): ResultRule => ({
  tensors: 'required',
  paramsType: 'ANY',
  layoutOf,
  partial: false,
  maxBytes: 64 * 2 ** 20,
  ...rule,
});

/** Imports a model. -> its digest */
export const importTensors = async ({ models }: Room, tensors: Tensors): Promise<string> => {
  const file = encode(tensors);
  const digest = sha256Of(file);
  const imported = await models.importModel(digest, new Response(file).body as ReadableStream);
  if (!imported.ok) throw new Error(JSON.stringify(imported.error));
  return digest;
};

/** Stages and commits a result. -> its upload */
export const submit = async (
  { results }: Room,
  site: string,
  file: Uint8Array<ArrayBuffer>,
  rule: ResultRule,
): Promise<string> => {
  const received = await results.receive(put(file), { task: 't', site }, rule);
  if (!received.ok || received.value.kind !== 'staged' || received.value.upload === null) {
    throw new Error(JSON.stringify(received));
  }
  results.commit(received.value.upload, 't', site);
  return received.value.upload;
};
