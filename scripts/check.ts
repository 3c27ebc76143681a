// `npm run check`: format, lint, types, dead code, the published package's exports and size. Every step runs; all must pass.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const kit = join(root, 'client-kit');

const STEPS: readonly { name: string; command: string; args: readonly string[]; cwd?: string }[] = [
  { name: 'format', command: bin('oxfmt'), args: ['--check'] },
  { name: 'lint', command: bin('oxlint'), args: ['--type-aware', '--deny-warnings'] },
  { name: 'types', command: bin('tsc'), args: ['-b', '.', 'tests', 'tests/workerd'] },
  { name: 'dead code', command: bin('knip'), args: [] },
  { name: 'kit build', command: 'npm', args: ['run', 'build', '--silent'], cwd: kit },
  { name: 'kit exports', command: bin('publint'), args: ['--strict'], cwd: kit },
  {
    name: 'kit types',
    command: bin('attw'),
    args: ['--pack', '.', '--profile', 'esm-only'],
    cwd: kit,
  },
  { name: 'kit size', command: bin('size-limit'), args: [], cwd: kit },
];

const broken: string[] = [];
for (const { name, command, args, cwd } of STEPS) {
  console.log(`- ${name}`);
  const { status } = spawnSync(command, args, { cwd: cwd ?? root, stdio: 'inherit' });
  if (status !== 0) broken.push(name);
}
console.log(broken.length === 0 ? 'check passed' : `check failed: ${broken.join(', ')}`);
process.exitCode = broken.length === 0 ? 0 : 1;
