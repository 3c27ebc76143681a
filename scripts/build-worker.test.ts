import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compatibilityDate, ROOT } from './build-worker.ts';

test('on-prem runs with the date that the Worker is built for, and neither with flags', async () => {
  const config = await readFile(join(ROOT, 'onprem/config.capnp'), 'utf8');
  expect(config).toContain(`compatibilityDate = "${await compatibilityDate()}",`);
  expect(config).not.toContain('compatibilityFlags');
  expect(await readFile(join(ROOT, 'wrangler.toml'), 'utf8')).not.toContain('compatibility_flags');
});
