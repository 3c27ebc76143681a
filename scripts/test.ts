// `npm test`: type-checks, then runs every suite; tests that take minutes are skipped. `--long` runs the suites that have such
// tests, with them.
// Ends with one plain line, `N passed, N failed, N skipped`, and names what was skipped and why.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Report {
  testResults: {
    name: string;
    message: string;
    status: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
}

const root = resolve(import.meta.dirname, '..');
const long = process.argv.includes('--long');
const rest = process.argv.slice(2).filter((argument) => argument !== '--long');
/** Projects of vitest.config.ts with tests that only TRIBUTARY_LONG runs. */
const LONG = ['browser', 'cli-e2e', 'crash', 'demo', 'models', 'package', 'wrangler'];
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const report = join(root, '.tributary', long ? 'test-long.json' : 'test.json');

function step(name: string, command: string, args: readonly string[]): boolean {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TRIBUTARY_LONG: long ? '1' : '' },
  });
  if (status !== 0) console.error(`${name} failed`);
  return status === 0;
}

mkdirSync(join(root, '.tributary'), { recursive: true });
rmSync(report, { force: true });

const typed = long || step('type check', bin('tsc'), ['-b', '.', 'tests', 'tests/workerd']);
const built = step('build', process.execPath, ['scripts/build-worker.ts']);
const ran =
  built &&
  step('tests', bin('vitest'), [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...(long && rest.length === 0 ? LONG.map((project) => `--project=${project}`) : rest),
  ]);

let passed = typed ? 1 : 0;
let failed = typed ? 0 : 1;
let skipped = 0;
try {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  for (const file of testResults) {
    for (const { status, fullName } of file.assertionResults) {
      if (status === 'passed') passed++;
      else if (status === 'failed') failed++;
      else {
        skipped++;
        console.log(`skipped: ${fullName}`);
      }
    }
    if (file.status === 'failed' && file.assertionResults.every((r) => r.status !== 'failed'))
      failed++;
  }
} catch {
  failed++;
}
if (!ran && failed === 0) failed++;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 && ran && typed ? 0 : 1;
