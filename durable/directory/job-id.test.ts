import { expect, test } from 'vitest';
import { JOB_ID_PATTERN, newJobId } from './job-id.ts';

// RFC 9562, appendix A.6: the example of a version 7.
test("RFC 9562's example", () => {
  const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
  expect(newJobId(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
});

test('ids have the form, differ, and sort by time', () => {
  const ids = Array.from({ length: 100 }, (_, i) => newJobId(1_700_000_000_000 + i));
  for (const id of ids) expect(id).toMatch(JOB_ID_PATTERN);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(Array.from({ length: 1000 }, () => newJobId(5))).size).toBe(1000);
});
