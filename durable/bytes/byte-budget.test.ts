import { expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';

/** A task that is under way until it is told to end. */
const task = () => {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const state = { began: false, end, run: () => ((state.began = true), ended) };
  return state;
};
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test('tasks begin while there is room, the rest in order as others end', async () => {
  const budget = new ByteBudget(10);
  const [a, b, c, d] = [task(), task(), task(), task()] as const;
  const all = [
    budget.with(6, a.run),
    budget.with(4, b.run),
    budget.with(8, c.run),
    budget.with(1, d.run),
  ];
  await settle();
  expect([a.began, b.began, c.began, d.began]).toEqual([true, true, false, false]);
  b.end();
  await settle();
  expect([c.began, d.began]).toEqual([false, false]); // d fits, but c was first
  a.end();
  await settle();
  expect([c.began, d.began]).toEqual([true, true]);
  c.end();
  d.end();
  await Promise.all(all);
});

test('a task that throws gives its bytes back', async () => {
  const budget = new ByteBudget(1);
  for (let i = 0; i < 3; i++) {
    await expect(budget.with(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  }
  expect(await budget.with(1, () => Promise.resolve(7))).toBe(7);
});
