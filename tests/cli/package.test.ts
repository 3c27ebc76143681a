// The command as a stranger has it: the tarball, in a project that was empty, with the stranger's Node.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { mlp } from '../../core/onnx/models/mlp.ts';
import type { JobSummary, JobView } from '../../core/protocol/job-status.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { digitFolder } from './digit-files.ts';
import { type Command, type Ended, start, valueOf } from './tributary.ts';

const exec = promisify(execFile);
/** The Node that runs npm here, as a stranger's would: the oldest that this repository is used with. */
const NODE = process.env['npm_node_execpath'] ?? process.execPath;

interface Package {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

let server: Server;
let dir: string;
let tarball: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tributary-package-'));
  const pack = exec('npm', ['pack', '--silent', '--pack-destination', dir], {
    cwd: join(ROOT, 'cli'),
  });
  [server] = await Promise.all([startServer(), pack]);
  const [name = ''] = (await readdir(dir)).filter((file) => file.endsWith('.tgz'));
  tarball = join(dir, name);
  const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
  const model = mlp({ inputs: [1, 28, 28], hidden: [16], classes: 10, rng });
  await writeFile(join(dir, 'net.onnx'), model);
  await digitFolder(join(dir, 'digits'), 'idx', 0, 300);
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Installs as npm does, but off the network: what the package depends on is what this repository has. */
const installLinked = async (project: string): Promise<void> => {
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'tributary'), { recursive: true });
  await mkdir(join(modules, '.bin'));
  await exec('tar', ['-xzf', tarball, '-C', join(modules, 'tributary'), '--strip-components=1']);
  const manifest = await readFile(join(modules, 'tributary/package.json'), 'utf8');
  for (const name of Object.keys((JSON.parse(manifest) as Package).dependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  await symlink('../tributary/bin/tributary.js', join(modules, '.bin/tributary'));
};

const installFromRegistry = async (project: string): Promise<void> => {
  await writeFile(join(project, 'package.json'), '{ "name": "stranger", "private": true }');
  await exec('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: project });
};

/** Everything that somebody does with an installed command: help, a model, a job, a device. */
const use = async (project: string): Promise<void> => {
  const command: Command = [NODE, join(project, 'node_modules/.bin/tributary')];
  const env = { TRIBUTARY_SERVER: server.url, TRIBUTARY_TOKEN: ADMIN };
  const run = async (...args: string[]): Promise<Ended> => {
    const ended = await start(args, { cwd: dir, env }, command).ended;
    expect(ended.code, ended.stderr).toBe(0);
    return ended;
  };
  const { version } = JSON.parse(await readFile(join(ROOT, 'cli/package.json'), 'utf8')) as Package;
  expect((await run('--version')).stdout).toBe(`tributary ${version}\n`);
  expect((await run('help')).stdout).toContain('model prepare');
  expect((await run('model', 'inspect', 'net.onnx')).stdout).toMatch(/can be trained\n$/);
  await run('model', 'prepare', '--model', 'net.onnx', '--out', 'net', '--rounds', '1');
  const job = valueOf<JobSummary>(await run('job', 'submit', 'net/job.json', '--json'));
  const { token } = valueOf<{ token: string }>(await run('enrolment', 'create', '--json'));
  const name = `site-${job.id}`.slice(0, 20);
  const site = ['site', 'run', '--once', '--name', name, '--enrolment', token];
  await run(...site, '--data', 'digits', '--state', join(project, 'state'));
  const view = valueOf<JobView>(await run('job', 'watch', job.id, '--json'));
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
  const list = valueOf<{ jobs: JobSummary[] }>(await run('job', 'list', '--json'));
  expect(list.jobs[0]).toMatchObject({ id: job.id, status: 'FINISHED:COMPLETED' });
};

const project = async (): Promise<string> => {
  const made = await mkdtemp(join(tmpdir(), 'tributary-stranger-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
};

test('the tarball holds the command, its README and its licence, and no sources', async () => {
  const { stdout } = await exec('tar', ['-tzf', tarball]);
  const files = stdout.trim().split('\n').sort();
  const inside = ['LICENSE', 'README.md', 'bin/tributary.js', 'dist/main.js', 'package.json'];
  expect(files).toEqual(inside.map((file) => `package/${file}`));
});

test('installed, it runs a job', async () => {
  const stranger = await project();
  await installLinked(stranger);
  await use(stranger);
});

const LONG = process.env['TRIBUTARY_LONG'] === '1';
test.skipIf(!LONG)(
  `installed from the registry, it runs a job${LONG ? '' : ' (long: TRIBUTARY_LONG=1)'}`,
  async () => {
    const stranger = await project();
    await installFromRegistry(stranger);
    await use(stranger);
  },
);
