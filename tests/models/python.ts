/** A Python with PyTorch, for the tests that make models of their own. */
import { spawnSync } from 'node:child_process';

const { TRIBUTARY_PYTHON: named } = process.env;
const USUAL = ['python3', '/usr/bin/python3'];
const LONG = process.env['TRIBUTARY_LONG'] === '1';

const has = (python: string, modules: string): boolean =>
  spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0;

/** A Python that imports `modules`: the one that the environment names, or one of this machine. */
export const pythonWith = (modules: string): string | undefined =>
  LONG ? (named === undefined ? USUAL : [named]).find((python) => has(python, modules)) : undefined;

/** For the names of tests: why they are skipped, where they are. */
export const whyNot = (python: string | undefined, modules: string): string => {
  if (!LONG) return ' (long: TRIBUTARY_LONG=1)';
  return python === undefined
    ? ` (no Python with ${modules} here: set TRIBUTARY_PYTHON to one)`
    : '';
};

/** Runs a script; what it wrote. Throws with that where it fails. */
export const run = (
  python: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>> = {},
): string => {
  const { status, stdout, stderr } = spawnSync(python, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${python} ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
};
