import { runInDurableObject } from 'cloudflare:test';
import { env as bound } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { migrate } from './schema.ts';
import type { Env } from '../env.ts';
import { Idempotency } from './idempotency.ts';

const env = bound as unknown as Env;
let made = 0;

const withAnswers = (use: (answers: Idempotency, sql: SqlStorage) => void): Promise<void> =>
  runInDurableObject(
    env.DIRECTORY.get(env.DIRECTORY.idFromName(`idempotency-${++made}`)),
    (_, { storage }) => {
      migrate(storage);
      use(new Idempotency(storage.sql), storage.sql);
    },
  );

test('an answer is kept for 24 hours, and not a millisecond more', () =>
  withAnswers((answers, sql) => {
    const end = 1000 + LIMITS.idempotencyMS;
    answers.record('admin', 'k', { a: 1 }, { id: 'x' }, 1000);
    expect(answers.recall('admin', 'k', { a: 1 }, end - 1)).toEqual({
      ok: true,
      value: { id: 'x' },
    });
    expect(answers.knows('admin', 'k', end - 1)).toBe(true);
    expect(answers.knows('admin', 'k', end)).toBe(false);
    expect(answers.recall('admin', 'k', { a: 1 }, end)).toEqual({ ok: true, value: null });
    expect(sql.exec('SELECT * FROM idempotency').toArray()).toEqual([]);
    expect(LIMITS.idempotencyMS).toBe(86_400_000);
  }));

test('a key is its scope’s own, and for one request', () =>
  withAnswers((answers) => {
    answers.record('admin', 'k', { a: 1 }, { id: 'x' }, 0);
    expect(answers.recall('other', 'k', { a: 2 }, 1)).toEqual({ ok: true, value: null });
    expect(answers.recall('admin', 'k', { a: 2 }, 1)).toMatchObject({
      error: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
    expect(answers.recall('admin', null, { a: 2 }, 1)).toEqual({ ok: true, value: null });
  }));

test('a forgotten answer makes room for another', () =>
  withAnswers((answers) => {
    answers.record('admin', 'k', { a: 1 }, { id: 'x' }, 0);
    answers.forget('admin', 'k');
    expect(answers.knows('admin', 'k', 1)).toBe(false);
    answers.record('admin', 'k', { a: 2 }, { id: 'y' }, 1);
    expect(answers.recall('admin', 'k', { a: 2 }, 2)).toEqual({ ok: true, value: { id: 'y' } });
  }));
