import { expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Polls } from './polls.ts';
import { Turnstile } from './turnstile.ts';

const idle = new AbortController().signal;

test('more jobs than places: no more wait at a time, each the shorter, and each gets its turn', async () => {
  const polls = new Polls(3);
  let waiting = 0;
  let most = 0;
  const waits: number[] = [];
  const poll = async (waitS: number): Promise<void> => {
    waits.push(waitS);
    most = Math.max(most, ++waiting);
    await new Promise((resolve) => setTimeout(resolve, 1));
    waiting--;
  };
  const turns = Array.from({ length: 12 }, () => 0);
  await Promise.all(
    turns.map(async (_, job) => {
      for (let i = 0; i < 4; i++) {
        await polls.pass(poll, idle);
        turns[job] = (turns[job] ?? 0) + 1;
      }
    }),
  );
  expect(most).toBe(3);
  expect(turns).toEqual(turns.map(() => 4));
  // Twelve jobs, three at a time: four shifts, each a quarter of what one poll may wait.
  expect(waits).toContain(Math.floor(LIMITS.waitS / 4));
  expect(Math.min(...waits)).toBe(Math.floor(LIMITS.waitS / 4));
});

test('as many places as jobs: each waits as long as it may', async () => {
  const waits: number[] = [];
  const poll = (waitS: number): Promise<void> => Promise.resolve(void waits.push(waitS));
  const polls = new Polls();
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => polls.pass(poll, idle)));
  expect(waits).toEqual(Array.from({ length: 8 }, () => LIMITS.waitS));
});

test('one that stops waiting leaves the queue, and its place is not lost', async () => {
  const turnstile = new Turnstile();
  let leave = (): void => undefined;
  const first = turnstile.pass(() => new Promise<void>((resolve) => (leave = resolve)), idle);
  const stop = new AbortController();
  const second = turnstile.pass(() => Promise.resolve('second'), stop.signal);
  const third = turnstile.pass(() => Promise.resolve('third'), idle);
  stop.abort(new Error('given up'));
  await expect(second).rejects.toThrow('given up');
  leave();
  await first;
  expect(await third).toBe('third');
  await expect(turnstile.pass(() => Promise.reject(new Error('failed')), idle)).rejects.toThrow();
  expect(await turnstile.pass(() => Promise.resolve('fifth'), idle)).toBe('fifth');
});
