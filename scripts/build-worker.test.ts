import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compatibility, ROOT } from './build-worker.ts';

test('on-prem runs with the date and the flags that the Worker is built for', async () => {
  const { date, flags } = await compatibility();
  const config = await readFile(join(ROOT, 'onprem/config.capnp'), 'utf8');
  expect(config).toContain(`compatibilityDate = "${date}",`);
  expect(config).toContain(
    `compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join(', ')}],`,
  );
});
