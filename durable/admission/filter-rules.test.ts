import * as v from 'valibot';
import { expect, test } from 'vitest';
import { JobSpec } from '../../core/protocol/job.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { completeArgs } from './args.ts';
import { CATALOG } from './catalog.ts';
import { filterErrors } from './filter-rules.ts';

type FilterInput = NonNullable<JobSpecInput['filters']>[number];

/** The paths of what is refused. */
const refused = (
  filters: readonly Partial<FilterInput>[],
  { paramsType = 'ANY', transferType = 'FULL', more = [] as JobSpecInput['workflows'] } = {},
): string[] => {
  const spec = v.parse(JobSpec, {
    name: 'a job',
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1, paramsType } }, ...more],
    executors: [{ tasks: ['*'], use: 'onnx', args: { transferType, epochs: 1 } }],
    filters: filters.map((one) => ({ tasks: ['train'], on: 'result', at: 'site', ...one })),
  } as JobSpecInput);
  const complete = completeArgs(spec, CATALOG);
  if (!complete.ok) return complete.error.map(({ path }) => path);
  return filterErrors(complete.value, CATALOG).map(({ path }) => path);
};

const clip = { use: 'clip', args: { norm: 1 } };
const toDiff = { use: 'convert-weights', args: { direction: 'weights_to_diff' } };
const toWeights = { use: 'convert-weights', args: { direction: 'diff_to_weights' } };
const quantize = { use: 'model-quantizer' };
const onData = { on: 'data', at: 'server' } as const;

test('filters of differences want differences', () => {
  expect(refused([clip])).toEqual(['filters[0].use']);
  expect(refused([clip], { paramsType: 'DIFF' })).toEqual([]);
  expect(refused([clip], { transferType: 'DIFF' })).toEqual([]);
  expect(refused([quantize, clip], { paramsType: 'FULL' })).toEqual([
    'filters[1].use',
    'filters[0].use',
  ]);
});

test('an earlier conversion makes them, where it is at work for the same sites', () => {
  expect(refused([toDiff, clip])).toEqual([]);
  expect(refused([clip, toDiff])).toEqual(['filters[0].use']);
  expect(refused([toDiff, toWeights, clip])).toEqual(['filters[2].use']);
  expect(refused([{ ...toDiff, sites: ['a'] }, clip])).toEqual(['filters[1].use']);
  expect(
    refused([
      { ...toDiff, sites: ['a', 'b'] },
      { ...clip, sites: ['b'] },
    ]),
  ).toEqual([]);
  expect(refused([{ ...toDiff, tasks: ['validate'] }, clip])).toEqual(['filters[1].use']);
  // The wire comes last at the site, and the server after the site.
  expect(refused([quantize, toDiff])).toEqual([]);
  expect(refused([{ ...clip, at: 'server' }, toDiff])).toEqual([]);
});

test('a conversion ends in what the workflow takes', () => {
  expect(refused([toDiff], { paramsType: 'FULL' })).toEqual(['filters[0].args.direction']);
  expect(refused([toDiff, clip, toWeights], { paramsType: 'FULL' })).toEqual([]);
  const more = [{ id: 'cross', use: 'cross-site-eval' }];
  expect(refused([{ ...toDiff, tasks: ['*'] }], { more })).toEqual(['filters[0].args.direction']);
  expect(refused([{ ...clip, tasks: ['*'] }], { transferType: 'DIFF', more })).toEqual([
    'filters[0].use',
  ]);
});

test('a filter works only where it is run', () => {
  expect(refused([{ ...clip, ...onData }])).toEqual(['filters[0].on']);
  expect(refused([{ ...quantize, on: 'data' }])).toEqual(['filters[0].on']);
  expect(refused([{ use: 'gaussian', args: { clip: 1, sigma: 1 }, at: 'server' }])).toEqual([
    'filters[0].on',
  ]);
});

test('what the server codes, every site decodes', () => {
  const decode = { use: 'model-dequantizer', on: 'data' } as const;
  expect(refused([{ ...quantize, ...onData }, decode])).toEqual([]);
  expect(refused([{ ...quantize, ...onData }])).toEqual(['filters[0].use']);
  expect(
    refused([
      { ...quantize, ...onData },
      { ...decode, sites: ['a'] },
    ]),
  ).toEqual(['filters[0].use']);
  expect(refused([{ ...quantize, ...onData, sites: ['a'] }, decode])).toEqual(['filters[0].sites']);
});
