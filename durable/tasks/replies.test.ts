import * as fc from 'fast-check';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { Metric } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { TaskReply } from '../../core/workflows/ops.ts';
import { divided, sumMetrics } from './replies.ts';

type Total = { sum: number; count: number };

const replyOf = (site: string, loss: Total): TaskReply => ({
  site,
  returnCode: 'OK',
  metrics: { loss },
  meta: {},
  model: null,
});

test('metrics that are taken have a finite sum and mean, over all the sites of a job', () => {
  const most = LIMITS.metricSize;
  fc.assert(
    fc.property(fc.double(), fc.double({ min: 0 }), fc.boolean(), (sum, count, minus) => {
      const loss = { sum, count };
      const edge = { sum: minus ? -most : most, count: 1 };
      for (const total of [loss, edge].filter((one) => v.is(Metric, one))) {
        const sites = Array.from({ length: LIMITS.sitesPerJob }, () => replyOf('a', total));
        const sums = sumMetrics([...sites.slice(1), replyOf('b', edge)]);
        expect(Number.isFinite(sums['loss']?.sum)).toBe(true);
        for (const mean of Object.values(divided(sums))) expect(mean).toSatisfy(Number.isFinite);
      }
    }),
    {
      numRuns: 30,
      examples: [
        [1.7e308, 1, false],
        [1, 5e-324, false],
        [-2e300, 3, true],
      ],
    },
  );
});

test('a metric is at most LIMITS.metricSize, as a sum and as a mean', () => {
  const most = LIMITS.metricSize;
  for (const good of [most, -most, { sum: most, count: 1 }, { sum: 0, count: 0 }]) {
    expect(v.is(Metric, good)).toBe(true);
  }
  for (const bad of [most * 1.01, { sum: -most * 1.01, count: 9 }, { sum: most, count: 0.5 }]) {
    expect(v.is(Metric, bad)).toBe(false);
  }
});
