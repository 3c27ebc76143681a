// docs/for-it.md, followed to the letter where a machine can follow it.
import { execFileSync } from 'node:child_process';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuditLog } from '../../client-kit/src/runtimes/node/audit-log.ts';
import { readPolicy } from '../../client-kit/src/policy/document.ts';
import { COMMANDS } from '../../cli/src/commands/registry.ts';
import { GLOBAL_OPTIONS } from '../../cli/src/command.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import { ROUTES } from '../../core/protocol/http.ts';
import type { JobSummary, JobView } from '../../core/protocol/job-status.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { digitFolder } from './digit-files.ts';
import { start, startForTest, tributary, valueOf } from './tributary.ts';

const DOCUMENTS = ['docs/for-it.md', 'docs/coming-from-flare.md'];
const document = await readFile(join(ROOT, 'docs/for-it.md'), 'utf8');
const unit = await readFile(join(ROOT, 'onprem/tributary-site@.service'), 'utf8');
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, name, block = '']) =>
    name === language ? [block] : [],
  );

/** What the prose puts between backticks. */
const said = [...document.replace(/^```[^]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(
  ([, text = '']) => text,
);

let server: Server;
let dir: string;
beforeAll(async () => {
  [server, dir] = await Promise.all([startServer(), mkdtemp(join(tmpdir(), 'tributary-it-'))]);
  await digitFolder(join(dir, 'data'), 'npz', 0, 100);
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

async function admin<T>(...args: string[]): Promise<T> {
  const env = { TRIBUTARY_SERVER: server.url, TRIBUTARY_TOKEN: ADMIN };
  const ended = await tributary([...args, '--json'], { cwd: dir, env });
  expect(ended.code, ended.stderr).toBe(0);
  return valueOf<T>(ended);
}

/** A job that adds 1 so many times. */
const submit = async (rounds: number): Promise<string> => {
  const w = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
  await writeFile(join(dir, 'model.safetensors'), encode(new Map([['w', w]])));
  const spec = {
    name: 'ward-adds',
    model: 'model.safetensors',
    workflows: [{ id: 'main', use: 'fed-avg', args: { rounds } }],
    executors: [{ tasks: ['*'], use: 'add', args: { transferType: 'DIFF' } }],
  };
  await writeFile(join(dir, 'job.json'), JSON.stringify(spec));
  return (await admin<JobSummary>('job', 'submit', 'job.json')).id;
};

/** Files of a folder, with their modes. */
const filesOf = async (folder: string): Promise<Map<string, number>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = new Map<string, number>();
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), (await stat(path)).mode & 0o777);
  }
  return files;
};

test.each(DOCUMENTS)('%s: every command is one, with options that it has', async (name) => {
  const text = await readFile(join(ROOT, name), 'utf8');
  const inline = [...text.matchAll(/`(tributary [^`]+)`/g)].map(([, line = '']) => line);
  const lines = blocks(text, 'sh')
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/^(\w+=\S+ +)+/, '').replace(/ +#.*$/, ''))
    .filter((line) => line.startsWith('tributary '));
  expect(lines.length + inline.length).toBeGreaterThan(0);
  for (const line of [...inline, ...lines]) {
    const words = line.split(/\s+/).slice(1);
    const command = COMMANDS.find((one) =>
      one.name.split(' ').every((word, i) => words[i] === word),
    );
    expect(command?.name, line).toBeDefined();
    const options = words.filter((word) => word.startsWith('--')).map((word) => word.slice(2));
    for (const option of options) {
      expect(Object.keys({ ...GLOBAL_OPTIONS, ...command?.options }), line).toContain(option);
    }
  }
});

test('what leaves: every request of a site that has a body, is listed', () => {
  const bodies = Object.values(ROUTES).flatMap((route) =>
    'body' in route && route.who.some((who) => who === 'site' || who === 'enrolment')
      ? [route.path.split('/').at(-1) ?? '']
      : [],
  );
  expect(bodies).toEqual(expect.arrayContaining(['sites', 'metrics', 'result']));
  const table = /^\| to \|[^]*?\n\n/m.exec(document)?.[0] ?? '';
  for (const last of bodies) expect(table).toMatch(new RegExp(`^\\| \`[^\`]*/${last}\``, 'm'));
});

test('the example of a policy is one, and each of its fields is explained', () => {
  const [example = ''] = blocks(document, 'json');
  const policy = readPolicy(JSON.parse(example));
  expect(policy.jobs[0]?.names).toEqual(['ward-*']);
  for (const limit of Object.keys(policy.limits)) expect(document).toContain(`\`limits.${limit}\``);
});

test('the example of a line has the fields of a line', async () => {
  const [, example = ''] = blocks(document, 'json');
  const file = join(dir, 'example.jsonl');
  const log = await AuditLog.open(file);
  const url = 'https://fl.example.org/v1/jobs/j/tasks/t/result';
  await log.record({ method: 'PUT', url, body: 'x', job: 'j', task: 't', filters: ['job:clip'] });
  await log.close();
  const line = JSON.parse(await readFile(file, 'utf8')) as object;
  expect(Object.keys(JSON.parse(example) as object)).toEqual(Object.keys(line));
});

test('the unit runs a site; what is kept, for how long, for whom; backup and restore', async () => {
  const { token } = await admin<{ token: string }>('enrolment', 'create');
  const [, command = ''] = /^ExecStart=\/usr\/bin\/env tributary (.*)$/m.exec(unit) ?? [];
  await writeFile(
    join(dir, 'policy.json'),
    JSON.stringify({
      version: 1,
      jobs: [{ names: ['*'] }],
      limits: { bytesPerDay: 1e6 },
      filters: [{ use: 'gaussian', args: { clip: 1, sigma: 1e-3 } }],
    }),
  );
  const argv = command
    .replaceAll('%i', 'ward-7')
    .replaceAll('%S', dir)
    .replace('/etc/tributary/ward-7.policy.json', join(dir, 'policy.json'))
    .replace('${TRIBUTARY_DATA}', join(dir, 'data'))
    .split(' ');
  const state = join(dir, 'tributary-site', 'ward-7');
  const env = { TRIBUTARY_SERVER: server.url };
  const id = await submit(40);
  const first = startForTest(argv, { env: { ...env, TRIBUTARY_ENROLMENT: token } });
  await expect.poll(first.said).toContain('main round 2/40 train');
  first.stop('SIGKILL');
  await first.ended;
  const during = await filesOf(state);
  expect((await stat(state)).mode & 0o777).toBe(0o700);
  for (const [path, mode] of during) {
    expect([0o600, 0o700], `${path} ${mode.toString(8)}`).toContain(mode);
    const place = path
      .replace(`jobs/${id}`, 'jobs/ID')
      .replace(/^(outbox|\.unfinished)\b.*/, '$1/');
    const known =
      ['jobs', 'jobs/ID', 'policy', 'audit.jsonl.head.new'].includes(place) ||
      said.some((text) => place === text || (text.endsWith('/') && `${place}/`.startsWith(text)));
    expect(known, `${path} is not in the document`).toBe(true);
  }
  expect([...during.keys()]).toEqual(
    expect.arrayContaining(['identity', 'secret', 'audit.jsonl', 'policy/sent']),
  );

  // Restored from a copy, without the token that enrolled it.
  await cp(state, join(dir, 'copy'), { recursive: true });
  await rm(state, { recursive: true });
  await cp(join(dir, 'copy'), state, { recursive: true });
  const second = startForTest(argv, { env });
  await expect.poll(second.said).toContain('ended: FINISHED:COMPLETED');
  second.stop();
  expect(await second.ended).toMatchObject({ code: 0 });
  expect((await admin<JobView>('job', 'show', id)).status).toBe('FINISHED:COMPLETED');
  const kept = await readdir(state, { recursive: true, withFileTypes: true });
  const after = kept.filter((one) => one.isFile() && /\/(jobs|outbox)\b/.test(one.parentPath));
  expect(after).toEqual([]);
  const audit = await tributary(['site', 'audit', join(state, 'audit.jsonl')]);
  expect(audit, audit.stderr).toMatchObject({ code: 0 });

  // Without its identity it stays out until it is enrolled anew.
  await rm(join(state, 'identity'));
  const lost = await start(argv, { env }).ended;
  expect(lost.stderr).toContain('is not enrolled');
  await admin('site', 'revoke', 'ward-7');
  const anew = await admin<{ token: string }>('enrolment', 'create');
  const third = startForTest(argv, { env: { ...env, TRIBUTARY_ENROLMENT: anew.token } });
  await expect.poll(third.said).toContain('site ward-7 is waiting for jobs');
});

const flare = await readFile(join(ROOT, 'docs/coming-from-flare.md'), 'utf8');

test('FLARE words: each file is there, and what is called is in it', async () => {
  const rows = [...flare.matchAll(/^\|[^|]*\| `([^`|]+\.ts)` \|([^|]*)\|$/gm)];
  expect(rows.length).toBeGreaterThan(20);
  for (const [row, file = '', calls = ''] of rows) {
    const text = await readFile(join(ROOT, file), 'utf8');
    const names = [...calls.matchAll(/`(\w+)(?:\(\))?`/g)].map(([, name = '']) => name);
    expect(names.length, row).toBeGreaterThan(0);
    for (const name of names) expect(text, row).toMatch(new RegExp(`\\b${name}\\b`));
  }
});

test('FLARE words: links lead somewhere', async () => {
  for (const name of DOCUMENTS) {
    const text = await readFile(join(ROOT, name), 'utf8');
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      if (path !== '') await stat(join(ROOT, 'docs', path));
      else expect(headings, target).toContain(anchor);
    }
  }
});

test('the job beside FLARE’s runs: one more in each round, clipped by its filter', async () => {
  const [job = ''] = blocks(flare, 'json');
  const folder = join(dir, 'flare');
  await mkdir(folder);
  const w = { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } as const;
  await writeFile(join(folder, 'model.safetensors'), encode(new Map([['w', w]])));
  await writeFile(join(folder, 'job.json'), job);
  const id = (await admin<JobSummary>('job', 'submit', join(folder, 'job.json'))).id;
  const { token } = await admin<{ token: string }>('enrolment', 'create', '--uses', '2');
  const sites = ['site-1', 'site-2'].map((name) =>
    startForTest(
      `site run --name ${name} --data data --state state-${name} --job hello --once`
        .split(' ')
        .concat('--enrolment', token, '--server', server.url),
      { cwd: dir },
    ),
  );
  for (const { ended } of sites) expect(await ended).toMatchObject({ code: 0 });
  const view = await admin<JobView>('job', 'show', id);
  expect(view).toMatchObject({ status: 'FINISHED:COMPLETED', results: { cse: {} } });
  const model = join(folder, 'trained.safetensors');
  await admin('job', 'download', id, '-o', model);
  const trained = decode(new Uint8Array(await readFile(model)));
  // PercentilePrivacy clips each difference to gamma, 0.01, in each of 3 rounds.
  const values = trained.ok ? [...(trained.value.tensors.get('w')?.data ?? [])].map(Number) : [];
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(i + 1.03, 6);
  expect(values).toHaveLength(3);
});

test('systemd takes the unit', async ({ skip }) => {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'pipe' });
  } catch {
    skip('there is no systemd-analyze here');
  }
  const file = join(dir, 'tributary-site@ward-7.service');
  await symlink(join(ROOT, 'onprem/tributary-site@.service'), file);
  expect(execFileSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })).toBe('');
});
