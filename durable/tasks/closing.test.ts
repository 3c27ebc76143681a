import { expect, test } from 'vitest';
import { judge, listed } from './closing.ts';
import type { Standing } from './closing.ts';

const now = 1_000_000;
const rule = { name: 'train', min: null, waitAfterMin: 0, ignoreErrors: false };
const at = (part: Partial<Standing>): Standing => ({
  now,
  deadline: null,
  enough: null,
  anyone: false,
  asked: 3,
  ok: 0,
  errors: [],
  pending: 0,
  live: 0,
  candidates: 0,
  mandatory: [],
  ...part,
});
const anyone = { ...rule, min: 2, waitAfterMin: 10 };
const errors = [{ site: 'a', code: 'EMPTY_RESULT' as const }];
const wait = { kind: 'wait', enough: null };

test.each([
  ['a list waits for all of it', rule, at({ ok: 2, pending: 1, candidates: 1 }), wait],
  ['and closes with the last', rule, at({ ok: 3 }), { kind: 'close' }],
  ['a list of nobody is short', rule, at({ asked: 0 }), { kind: 'short' }],
  ['anyone: below the minimum it waits, without end', anyone, at({ anyone: true, asked: 0 }), wait],
  [
    'at the minimum with live leases it notes the moment',
    anyone,
    at({ anyone: true, ok: 2, live: 1 }),
    { kind: 'wait', enough: now },
  ],
  [
    'and keeps it',
    anyone,
    at({ anyone: true, ok: 2, live: 1, enough: now - 9999 }),
    { kind: 'wait', enough: now - 9999 },
  ],
  [
    'waitAfterMin has passed',
    anyone,
    at({ anyone: true, ok: 2, live: 1, enough: now - 10_000 }),
    { kind: 'close' },
  ],
  ['no live lease is outstanding', anyone, at({ anyone: true, ok: 2 }), { kind: 'close' }],
  [
    'waitAfterMin 0 does not wait',
    { ...anyone, waitAfterMin: 0 },
    at({ anyone: true, ok: 2, live: 5 }),
    { kind: 'close' },
  ],
  [
    'time over with enough',
    anyone,
    at({ anyone: true, ok: 2, live: 5, deadline: now }),
    { kind: 'close' },
  ],
  ['time over without', anyone, at({ anyone: true, ok: 1, deadline: now }), { kind: 'short' }],
  ['a millisecond before', anyone, at({ anyone: true, ok: 1, deadline: now + 1 }), wait],
  [
    'errors while the minimum can still be met',
    anyone,
    at({ anyone: true, errors, ok: 1, candidates: 1 }),
    wait,
  ],
  ['else it fails', anyone, at({ anyone: true, errors, ok: 1 }), { kind: 'fail' }],
  ['all must answer: one error is one too many', rule, at({ errors, ok: 2 }), { kind: 'fail' }],
  [
    'errors that count as answers',
    { ...rule, ignoreErrors: true },
    at({ errors, ok: 2 }),
    { kind: 'close' },
  ],
  ['a mandatory site is waited for', anyone, at({ anyone: true, ok: 2, mandatory: ['z'] }), wait],
  [
    'and must not fail',
    anyone,
    at({ anyone: true, ok: 5, errors, candidates: 9, mandatory: ['a'] }),
    { kind: 'fail' },
  ],
  ['the rest are given up', rule, at({ ok: 2 }), { kind: 'short' }],
])('%s', (_, rule, standing, verdict) => {
  expect(judge(rule, standing)).toMatchObject(verdict);
});

test('a reason names at most 20 sites', () => {
  const names = Array.from({ length: 25 }, (_, i) => `s${i}`);
  expect(listed(names)).toMatch(/^s0, .*, s19 and 5 more$/);
  expect(listed(names.slice(0, 20))).toMatch(/s19$/);
});
