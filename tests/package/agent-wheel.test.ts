// The Python agent as a reader has it: a wheel, installed, with its own tests and nothing else of ours.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../../scripts/build-worker.ts';

const run = promisify(execFile);
const long = process.env['TRIBUTARY_LONG'] === '1';

test.skipIf(!long)(
  `the wheel of the Python agent${long ? '' : ' (long: TRIBUTARY_LONG=1; pip asks the network for setuptools)'}`,
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'wheel-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    // A copy: setuptools leaves its things beside the sources.
    await cp(join(ROOT, 'agent/python'), join(dir, 'source'), { recursive: true });
    await run('python3', ['-m', 'pip', 'wheel', '--no-deps', '-w', dir, join(dir, 'source')]);
    const wheel = (await readdir(dir)).find((name) => name.endsWith('.whl')) ?? '';
    expect(wheel).toMatch(/^tributary_agent-\d+\.\d+\.\d+-py3-none-any\.whl$/);
    const installed = join(dir, 'installed');
    const pip = ['-m', 'pip', 'install', '--no-index', '--no-deps', '--target', installed];
    await run('python3', [...pip, join(dir, wheel)]);
    expect((await readdir(installed)).filter((name) => name.endsWith('.py'))).toEqual([
      'tributary_agent.py',
    ]);
    await cp(
      join(ROOT, 'agent/python/test_tributary_agent.py'),
      join(dir, 'tests', 'test_agent.py'),
    );
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PYTHONPATH: installed };
    const { stderr } = await run('python3', ['-B', join(dir, 'tests', 'test_agent.py')], { env });
    expect(stderr).toMatch(/OK/);
  },
);
