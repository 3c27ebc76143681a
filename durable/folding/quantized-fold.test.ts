import { expect, test } from 'vitest';
import { filterParcel } from '../../core/filters/chain.ts';
import { findCodec } from '../../core/filters/quantization/registry.ts';
import { encodeQuantization } from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import { findFilter } from '../../core/filters/registry.ts';
import { collect, sourceOf } from '../../core/filters/tensor-source.ts';
import { MiB } from '../../core/protocol/limits.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
  submit,
} from '../../tests/workerd/bytes-room.ts';
import { digestOf, finish, noise } from '../../tests/workerd/folds.ts';

const TYPES = ['float16', 'blockwise8', 'float4', 'normfloat4'];
const FL_MODEL = JSON.stringify({ params_type: 'DIFF' });

/** Odd sizes on purpose: no block ends with a row, and a tensor of one element is longer coded than before. */
const tensorsOf = (seed: number, large = MiB / 4 + 12_345): Tensors =>
  new Map<string, Tensor>([
    ['a', f32([3], noise(seed, 3))],
    ['large', f32([large], noise(seed + 1, large))],
    ['b', f32([5000], noise(seed + 2, 5000))],
    ['n', { dtype: 'I64', shape: [2], data: BigInt64Array.of(1n, BigInt(seed)) }],
    ['h', { dtype: 'F16', shape: [70], data: new Uint16Array(70).fill(0x3c00 + seed) }],
    ['one', f32([], [seed])],
  ]);

/** The file that the kit's quantiser makes of a DIFF. */
const quantizedFile = (tensors: Tensors, quantizationType: string): Uint8Array<ArrayBuffer> => {
  const filter = findFilter('model-quantizer')?.make({ quantizationType });
  if (!filter?.ok) throw new Error('no quantizer');
  const parcel = { kind: 'WEIGHT_DIFF' as const, meta: {}, tensors: sourceOf(tensors) };
  const context = { roles: new Map(), random: () => () => 0.5 };
  const made = filterParcel([filter.value], parcel, context);
  if (!made.ok || !made.value.quantization) throw new Error('not quantised');
  const said = new Map([
    ['fl_model', FL_MODEL],
    [QUANTIZATION_KEY, encodeQuantization(made.value.quantization)],
  ]);
  return encode(collect(made.value.tensors), said);
};

/** What the server should take it for. */
const decoded = (file: Uint8Array<ArrayBuffer>, type: string, before: Tensors): Tensors => {
  const opened = decode(file);
  const codec = findCodec(type);
  if (!opened.ok || !codec) throw new Error('no file');
  const coded = new Set(
    (
      JSON.parse(opened.value.metadata.get(QUANTIZATION_KEY) ?? '') as { tensors: [string][] }
    ).tensors.map(([name]) => name),
  );
  return new Map(
    [...before].map(([name, { dtype, shape, data }]) => {
      const sent = opened.value.tensors.get(name) as Tensor;
      if (!coded.has(name)) return [name, sent];
      const spec = { name, dtype, shape };
      return [name, { dtype, shape, data: codec.decode(spec, sent.data, data.length) }];
    }),
  );
};

const WEIGHTS = [3, 1, 7];
const SITES = WEIGHTS.map((weight, i) => ({ site: `s${i}`, weight, tensors: tensorsOf(i + 1) }));

for (const type of TYPES) {
  test(`${type}: quantised results fold to the same bytes as decoded ones, evicted at every slice`, async () => {
    const files = SITES.map(({ tensors }) => quantizedFile(tensors, type));
    const plain = SITES.map(({ tensors }, i) =>
      resultFile(decoded(files[i] as Uint8Array<ArrayBuffer>, type, tensors), {
        params_type: 'DIFF',
      }),
    );
    const digests: string[] = [];
    // The last folds two sites a slice.
    for (const [sent, sliceBytes] of [
      [plain, 64 * MiB],
      [files, 64 * MiB],
      [files, 2 * MiB],
    ] as const) {
      const room = newRoom({ sliceBytes });
      const base = await room.use(async (now) => {
        const digest = await importTensors(now, tensorsOf(0));
        const replies = [];
        for (const [i, { site, weight }] of SITES.entries()) {
          const upload = await submit(
            now,
            site,
            sent[i] as Uint8Array<ArrayBuffer>,
            ruleFor(digest),
          );
          replies.push({ site, weight, upload });
        }
        const outputs = [{ key: 'global', use: 'mean', replies }];
        now.folding.open('t', { base: digest, paramsType: 'DIFF', outputs });
        return digest;
      });
      for (let more = true; more;) {
        await room.evict();
        const state = await room.use(({ folding, storage }) =>
          storage.transactionSync(() => folding.step('t')),
        );
        more = state.state === 'more';
        if (!more) digests.push(digestOf(state));
      }
      expect(base).not.toBe(digests.at(-1));
    }
    expect(new Set(digests).size).toBe(1);
  });
}

test("a site's own quantised model is kept as what it stands for", async () => {
  await newRoom().use(async (room) => {
    const tensors = tensorsOf(1, 9000);
    const base = await importTensors(room, tensorsOf(0, 9000));
    const file = quantizedFile(tensors, 'blockwise8');
    const upload = await submit(room, 'a', file, ruleFor(base));
    const outputs = [{ key: 'a', use: 'keep', replies: [{ site: 'a', weight: 1, upload }] }];
    room.folding.open('t', { base, paramsType: 'FULL', outputs });
    const digest = digestOf(finish(room), 'a');
    const answer = await room.models.serve(digest, new Request('http://job/'));
    const kept = decode(new Uint8Array(await answer.arrayBuffer()));
    if (!kept.ok) throw new Error(kept.error.reason);
    expect(kept.value.tensors).toEqual(new Map(decoded(file, 'blockwise8', tensors)));
  });
});

test('what quantisation says must be so of the model', async () => {
  await newRoom().use(async (room) => {
    const model = new Map([['w', f32([70], noise(1, 70))]]);
    const base = await importTensors(room, model);
    const held = room.rows.held();
    const send = async (said: string, data: Tensors) => {
      const metadata = new Map([
        ['fl_model', FL_MODEL],
        [QUANTIZATION_KEY, said],
      ]);
      const request = put(encode(data, metadata));
      const answer = await room.results.receive(request, { task: 't', site: 'a' }, ruleFor(base));
      if (answer.ok) return 'accepted';
      while (room.rows.sweep());
      expect(room.rows.held()).toBe(held);
      const fault = answer.error as { code?: string; errors?: { path: string }[] };
      return `${fault.code} ${fault.errors?.[0]?.path}`;
    };
    const q = (tensors: unknown, type = 'float4') => JSON.stringify({ type, tensors });
    const w = ['w', 'F32', [70]];
    const codes = (bytes: number, fill = 0): Tensors =>
      new Map([
        ['w', { dtype: 'U8' as const, shape: [bytes], data: new Uint8Array(bytes).fill(fill) }],
      ]);
    const at = '__metadata__.quantization';
    expect(await send('{', model)).toBe(`INVALID_QUANTIZATION ${at}`);
    expect(await send(q([w], 'float2'), model)).toBe(`INVALID_QUANTIZATION ${at}.type`);
    expect(await send(q([w, w]), codes(43))).toBe(`INVALID_QUANTIZATION ${at}.tensors[0]`);
    expect(await send(q([['w', 'F32', [71]]]), codes(43))).toBe(
      `INVALID_QUANTIZATION ${at}.tensors[0]`,
    );
    expect(await send(q([['x', 'F32', [70]]]), codes(43))).toBe(
      `INVALID_QUANTIZATION ${at}.tensors[0]`,
    );
    expect(await send(q([w]), codes(42))).toBe('WRONG_SHAPE w');
    expect(await send(q([w]), model)).toBe('WRONG_DTYPE w');
    expect(await send(q([]), codes(43))).toBe('WRONG_DTYPE w');
    // A head of NaN: the largest value of the first block.
    expect(await send(q([w]), codes(43, 0xff))).toBe('NON_FINITE w');
    expect(await send(q([]), model)).toBe('accepted');
    while (room.rows.sweep());
  });
});
