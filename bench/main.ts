// `npm run bench [-- name ...]`: runs the benchmarks one after another; each prints its own table. Nothing asserts a time.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** In the order of the README's table. */
const BENCHES = ['kernel', 'bytes', 'waiting', 'rounds', 'learning'] as const;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(BENCHES as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; expected some of ${BENCHES.join(', ')}`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : BENCHES) {
  console.log(`\n## ${name}\n`);
  const { status } = spawnSync(
    process.execPath,
    ['--no-warnings', join(import.meta.dirname, `${name}.ts`)],
    {
      stdio: 'inherit',
    },
  );
  if (status !== 0) process.exitCode = 1;
}
