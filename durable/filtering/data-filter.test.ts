import { expect, test } from 'vitest';
import { filterParcel } from '../../core/filters/chain.ts';
import { encodeQuantization } from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import { findFilter } from '../../core/filters/registry.ts';
import { collect, sourceOf } from '../../core/filters/tensor-source.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import { MiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import { f32, importTensors, newRoom, sha256Of } from '../../tests/workerd/bytes-room.ts';
import type { Room } from '../../tests/workerd/bytes-room.ts';
import { noise } from '../../tests/workerd/folds.ts';
import type { JobRecord } from '../state/job-record.ts';
import { DataFilter, FILTER_TABLES } from './data-filter.ts';

const tensors: Tensors = new Map<string, Tensor>([
  ['a', f32([3], noise(1, 3))],
  ['large', f32([MiB + 777], noise(2, MiB + 777))],
  ['b', f32([5000], noise(3, 5000))],
  ['n', { dtype: 'I32', shape: [MiB], data: new Int32Array(MiB).fill(5) }],
]);

const filters = (quantizationType: string) => [
  {
    tasks: ['train'],
    sites: ['@all'],
    on: 'data',
    at: 'server',
    use: 'model-quantizer',
    args: { quantizationType },
  },
];

/** What the chain makes of it in memory. */
const wanted = (quantizationType: string): string => {
  const filter = findFilter('model-quantizer')?.make({ quantizationType });
  if (!filter?.ok) throw new Error('no quantizer');
  const parcel = { kind: 'WEIGHTS' as const, meta: {}, tensors: sourceOf(tensors) };
  const context = { roles: new Map(), random: () => () => 0.5, on: 'data' as const };
  const made = filterParcel([filter.value], parcel, context);
  if (!made.ok || !made.value.quantization) throw new Error('not quantised');
  const said = new Map([[QUANTIZATION_KEY, encodeQuantization(made.value.quantization)]]);
  return sha256Of(encode(collect(made.value.tensors), said));
};

const filterIn = ({ storage, rows, models }: Room, type: string): DataFilter => {
  for (const table of FILTER_TABLES) storage.sql.exec(table);
  const record = { spec: () => ({ filters: filters(type), programs: {} }) } as unknown as JobRecord;
  return new DataFilter({ sql: storage.sql, rows, models, record, sliceBytes: MiB });
};

const ask = (model: ModelRef) => ({ name: 'train', model, data: {} });

for (const type of ['float16', 'blockwise8', 'normfloat4']) {
  test(`${type}: a model is filtered in slices, evicted or rolled back between them, to the same bytes`, async () => {
    const room = newRoom();
    const model = await room.use(async (now) => {
      const digest = await importTensors(now, tensors);
      return now.models.ref(digest) as ModelRef;
    });
    let steps = 0;
    for (let made: ModelRef | null = null; made === null; steps++) {
      if (steps % 2 === 0) await room.evict();
      made = await room.use((now) => {
        const filter = filterIn(now, type);
        try {
          now.storage.transactionSync(() => {
            filter.outgoing(ask(model));
            if (steps % 3 === 0) throw new Error('rolled back');
          });
        } catch {}
        const out = now.storage.transactionSync(() => filter.outgoing(ask(model)));
        expect(filter.unfinished()).toBe(out.state === 'more');
        if (out.state !== 'done') return null;
        // Made once.
        expect(filter.outgoing(ask(model))).toEqual(out);
        return out.model;
      });
      if (made) expect(made.digest).toBe(wanted(type));
    }
    expect(steps).toBeGreaterThan(2);
  });
}

test('what is half made when the round ends leaves nothing', async () => {
  await newRoom().use(async (now) => {
    const digest = await importTensors(now, tensors);
    const held = now.rows.held();
    const filter = filterIn(now, 'float16');
    expect(filter.outgoing(ask(now.models.ref(digest) as ModelRef)).state).toBe('more');
    expect(now.rows.held()).toBeGreaterThan(held);
    filter.forget();
    expect(filter.unfinished()).toBe(false);
    expect(now.rows.held()).toBe(held);
  });
});

test('other tasks get the model as it is', async () => {
  await newRoom().use(async (now) => {
    const digest = await importTensors(now, tensors);
    const model = now.models.ref(digest) as ModelRef;
    const out = filterIn(now, 'float16').outgoing({ name: 'validate', model, data: {} });
    expect(out).toEqual({ state: 'done', model });
  });
});
