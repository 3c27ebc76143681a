import { expect, test } from 'vitest';
import { Learning } from './learning.ts';
import type { JobEvent } from './server.ts';

const closed = (name: string, round: number, more: object = {}): JobEvent => ({
  kind: 'task',
  fields: {
    state: 'closed',
    workflow: 'train',
    name,
    round,
    data: {},
    metrics: { accuracy: { sum: 30 + 10 * round, count: 100 }, none: { sum: 0, count: 0 } },
    ...more,
  },
});

test('a training measures the model that was sent, a closing validation the one that was made', () => {
  const learning = new Learning();
  learning.hear(closed('train', 1));
  learning.hear(closed('train', 0));
  learning.hear(closed('validate', 1, { data: { owner: 'global' } }));
  const points = [
    [0, 0.3],
    [1, 0.4],
    [2, 0.4],
  ];
  expect(learning.curves()).toEqual([
    { metric: 'accuracy', series: [{ name: 'common model (train)', points, faint: false }] },
  ]);
});

test("validations of a site's model or in another workflow, open and other tasks are no points", () => {
  const learning = new Learning();
  learning.hear(closed('validate', 0, { workflow: 'cross', data: { owner: 'global' } }));
  learning.hear(closed('validate', 0, { data: { owner: 'ward' } }));
  learning.hear(closed('train', 0, { state: 'open' }));
  learning.hear(closed('submit_model', 0));
  learning.hear({ kind: 'round', fields: { round: 0 } });
  expect(learning.curves()).toEqual([]);
});

test("a site's own measurements stand beside the common model's", () => {
  const learning = new Learning();
  learning.hear(closed('train', 0));
  const logged = { site: 'ward', key: 'local_accuracy', value: 0.9, step: 0 };
  learning.hear({ kind: 'metric', fields: logged });
  learning.hear({ kind: 'metric', fields: { ...logged, key: 'anything', value: 'text' } });
  const [curve] = learning.curves();
  expect(curve?.series.map(({ name, points, faint }) => [name, points, faint])).toEqual([
    ['common model (train)', [[0, 0.3]], false],
    ['ward, after training there', [[1, 0.9]], true],
  ]);
});
