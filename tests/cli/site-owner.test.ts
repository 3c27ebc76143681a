// What the owner of the data holds in hand: policy, approval, the record, and the way out of the network.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import { mlp } from '../../core/onnx/models/mlp.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { JobSummary, JobView } from '../../core/protocol/job-status.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { readAudit } from '../../client-kit/src/runtimes/node/audit-chain.ts';
import type { AuditEntry } from '../../client-kit/src/runtimes/node/audit-chain.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { digitFolder } from './digit-files.ts';
import { certificates, connectProxy, tlsFront } from './private-network.ts';
import {
  type Ended,
  type Running,
  startForTest,
  tributary,
  valueOf,
  type Where,
} from './tributary.ts';

let server: Server;
let dir: string;
let enrolment: string;
beforeAll(async () => {
  [server, dir] = await Promise.all([startServer(), mkdtemp(join(tmpdir(), 'tributary-owner-'))]);
  await Promise.all([
    digitFolder(join(dir, 'data'), 'npz', 0, 200),
    writeFile(
      join(dir, 'net.onnx'),
      mlp({
        inputs: [1, 28, 28],
        hidden: [8],
        classes: 10,
        rng: xoshiro128(Uint32Array.of(1, 2, 3, 4)),
      }),
    ),
  ]);
  ({ token: enrolment } = await admin<{ token: string }>('enrolment', 'create', '--uses', '20'));
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

/** What the administrator does: the value. */
async function admin<T>(...args: string[]): Promise<T> {
  const env = { TRIBUTARY_SERVER: server.url, TRIBUTARY_TOKEN: ADMIN };
  const ended = await tributary([...args, '--json'], { cwd: dir, env });
  expect(ended.code, ended.stderr).toBe(0);
  return valueOf<T>(ended);
}

/** Submits a job of its own name: rounds of training, then everybody's model on everybody's data. */
const submit = async (
  name: string,
  change: (spec: JobSpec) => object = () => ({}),
): Promise<string> => {
  const args = ['--model', 'net.onnx', '--out', name, '--name', name, '--rounds', '2', '--diff'];
  await admin('model', 'prepare', ...args, '--epochs', '1', '--lr', '0.1', '--min-sites', '1');
  const file = join(dir, name, 'job.json');
  const spec = JSON.parse(await readFile(file, 'utf8')) as JobSpec;
  await writeFile(file, JSON.stringify({ ...spec, ...change(spec) }));
  return (await admin<JobSummary>('job', 'submit', file)).id;
};

const site = (name: string, job: string, more: string[] = [], where: Where = {}): Running =>
  startForTest(
    `site run --name ${name} --data data --state state/${name} --job ${job} --once`
      .split(' ')
      .concat('--server', server.url, ...more),
    { cwd: dir, ...where, env: { TRIBUTARY_ENROLMENT: enrolment, ...where.env } },
  );

const policy = async (name: string, value: object): Promise<string> => {
  await writeFile(join(dir, name), JSON.stringify(value));
  return name;
};

const succeeded = async (running: Running): Promise<Ended> => {
  const ended = await running.ended;
  expect(ended.code, ended.stderr).toBe(0);
  return ended;
};

const recordOf = async (name: string): Promise<AuditEntry[]> => {
  const entries: AuditEntry[] = [];
  await readAudit(join(dir, 'state', name, 'audit.jsonl'), (entry) => entries.push(entry));
  return entries;
};

test('a policy that is none: exit code 8, and the field', async () => {
  const file = await policy('bad.json', {
    version: 1,
    jobs: [{ names: ['*'] }],
    filters: [{ use: 'clip', args: { norm: 0 } }],
  });
  const { code, stderr } = await site('bad', 'none', ['--policy', file]).ended;
  expect(code).toBe(8);
  expect(stderr).toContain('bad.json is not a site policy');
  expect(stderr).toContain('filters[0].args.norm: expected a number > 0, got 0');
});

test('required filter, no model handed in, and the record of what left', async () => {
  const id = await submit('governed');
  const spec = await readFile(join(dir, 'governed', 'job.json'), 'utf8');
  const { programs } = JSON.parse(spec) as JobSpec;
  const file = await policy('policy.json', {
    version: 1,
    jobs: [
      {
        names: ['governed*'],
        servers: [server.url],
        programs: Object.values(programs).map(({ blob }) => blob),
        executors: ['onnx'],
      },
    ],
    submit_model: 'deny',
    filters: [{ tasks: ['train'], use: 'clip', args: { norm: 0.01 } }],
    limits: { bytesPerTask: 200_000, bytesPerDay: 500_000, epochs: 1, seconds: 60 },
  });
  const ended = await succeeded(site('gamma', 'governed', ['--policy', file]));
  expect(ended.stderr).toContain(
    "failed: TASK_UNSUPPORTED: the site's policy keeps its models here",
  );

  const view = await admin<JobView>('job', 'show', id);
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(JSON.stringify(view.results['cross-site'])).toContain('TASK_UNSUPPORTED');

  const record = await recordOf('gamma');
  const results = record.filter(({ to }) => to.endsWith('/result'));
  expect(results.slice(0, 2).map(({ job, filters }) => [job, filters])).toEqual([
    [id, ['site:clip']],
    [id, ['site:clip']],
  ]);
  expect(record.every(({ to }) => to.startsWith(server.url))).toBe(true);

  const audit = (...more: string[]) =>
    tributary(['site', 'audit', 'state/gamma/audit.jsonl', ...more], { cwd: dir });
  const summed = valueOf<{ bytes: number; entries: number; head: string }>(await audit('--json'));
  expect(summed.entries).toBe(record.length);
  expect(summed.bytes).toBe(record.reduce((sum, { bytes }) => sum + bytes, 0));
  const hash = (line: string) => `sha256-${createHash('sha256').update(line).digest('hex')}`;
  const text = await readFile(join(dir, 'state/gamma/audit.jsonl'), 'utf8');
  expect(summed.head).toBe(hash(text.trim().split('\n').at(-1) ?? ''));
  expect(await audit('--head', record[1]?.previous ?? '')).toMatchObject({ code: 0 });
  expect((await audit('--head', hash('another'))).stderr).toContain('no line of the record has');
  expect((await audit()).stdout).toMatch(
    new RegExp(`^${id} +result +2 +\\d+ +site:clip +http`, 'm'),
  );

  await writeFile(join(dir, 'state/gamma/audit.jsonl'), text.replace(/.*\n/, ''));
  const broken = await audit();
  expect(broken.code).toBe(8);
  expect(broken.stderr).toContain('lines were changed or removed');
  const refused = await site('gamma', 'governed').ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('is not as it was written');
});

test('a job that the policy does not know is refused with its reason at both ends', async () => {
  const file = await policy('other.json', { version: 1, jobs: [{ names: ['governed*'] }] });
  const id = await submit('stranger');
  const { stderr } = await succeeded(site('delta', 'stranger', ['--policy', file]));
  expect(stderr).toContain(
    "failed: UNSAFE_JOB: the site's policy allows no job of the name 'stranger'",
  );
  const view = await admin<JobView>('job', 'show', id);
  expect(view.status).toBe('FINISHED:EXECUTION_EXCEPTION');
  expect(view.reason).toContain('delta: UNSAFE_JOB');
});

test('a job is shown in plain words, and done once its owner says yes', async () => {
  const clip = { tasks: ['train'], sites: ['@all'], use: 'clip', args: { norm: 5 } };
  const id = await submit('asking', () => ({ filters: [{ ...clip, on: 'result', at: 'site' }] }));
  const { programs } = JSON.parse(await readFile(join(dir, 'asking/job.json'), 'utf8')) as JobSpec;
  const file = await policy('asking-policy.json', {
    version: 1,
    jobs: [{ names: ['*'] }],
    filters: [{ tasks: ['train'], use: 'gaussian', args: { clip: 1, sigma: 0.01 } }],
  });
  const args = ['--approve', '--policy', file];
  const { stderr } = await succeeded(site('eps', 'asking', args, { input: 'what\nyes\n' }));
  for (const line of [
    `job ${id}: asking`,
    `  asked by   the administrator of ${server.url}`,
    '  rounds     train: fed-avg, 2 rounds',
    `             program train: ${programs['train']?.blob}`,
    '  your data  examples of shape [1, 28, 28] U8, of 10 classes',
    'train, each round: what training changed in 4 tensors, 6370 numbers (about 24.9 KiB)',
    "  filters    the job's: clip (norm 5) on the result of train",
    '             yours: gaussian (clip 1, sigma 0.01) on the result of train',
  ]) {
    expect(stderr).toContain(line);
  }
  expect(stderr).toMatch(/^ +.*(MatMul|Gemm).*, optimizer sgd$/m);
  expect(stderr.match(/take part in/g)).toHaveLength(2);
  expect((await admin<JobView>('job', 'show', id)).status).toBe('FINISHED:COMPLETED');
});

test('no is UNSAFE_JOB; --yes goes on; nobody to ask stops the site', async () => {
  const id = await submit('unwanted');
  await succeeded(site('zeta', 'unwanted', ['--approve'], { input: 'no\n' }));
  expect((await admin<JobView>('job', 'show', id)).reason).toContain('zeta: UNSAFE_JOB');

  await submit('wanted');
  const alone = await site('zeta', 'wanted', ['--approve']).ended;
  expect(alone.code).toBe(2);
  expect(alone.stderr).toContain('nobody is there to answer');
  const { stderr } = await succeeded(site('zeta', 'wanted', ['--approve', '--yes']));
  expect(stderr).toContain('as --yes says');
});

test('killed at any moment, the record is whole, and lacks nothing that the server got', async () => {
  const w = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
  await mkdir(join(dir, 'killed'));
  await writeFile(join(dir, 'killed', 'model.safetensors'), encode(new Map([['w', w]])));
  const long = process.env['TRIBUTARY_LONG'] === '1';
  const rounds = long ? 400 : 60;
  const spec = {
    name: 'killed',
    model: 'model.safetensors',
    workflows: [{ id: 'main', use: 'fed-avg', args: { rounds } }],
    executors: [{ tasks: ['*'], use: 'add' }],
  };
  await writeFile(join(dir, 'killed', 'job.json'), JSON.stringify(spec));
  const { id } = await admin<JobSummary>('job', 'submit', 'killed/job.json');
  const rng = xoshiro128(Uint32Array.of(5, 6, 7, 8));
  for (let kills = 0; kills < (long ? 20 : 4); kills++) {
    const running = site('iota', 'killed');
    await expect.poll(running.said, { interval: 5 }).toMatch(/waiting for jobs/);
    await new Promise((resolve) => setTimeout(resolve, 100 * rng()));
    running.stop('SIGKILL');
    await running.ended;
    const audit = await tributary(['site', 'audit', 'state/iota/audit.jsonl'], { cwd: dir });
    expect(audit.code, audit.stderr).toBe(0);
  }
  await succeeded(site('iota', 'killed'));
  expect((await admin<JobView>('job', 'show', id)).status).toBe('FINISHED:COMPLETED');
  const tasks = (await recordOf('iota')).flatMap(({ task }) => task ?? []);
  expect(new Set(tasks).size).toBeGreaterThanOrEqual(rounds);
});

test('one name and one port through a proxy, with a private CA; nothing else is reached', async () => {
  const host = 'fl.hospital.test';
  certificates(dir, host);
  const front = await tlsFront(dir, server.port);
  const proxy = await connectProxy(`${host}:443`, front.port);
  onTestFinished(() => {
    proxy.close();
    front.close();
  });
  await submit('proxied');
  const out = ['--server', `https://${host}`];
  const env = { HTTPS_PROXY: proxy.url };
  await succeeded(site('eta', 'proxied', [...out, '--ca', 'ca.pem'], { env }));
  expect(new Set(proxy.asked)).toEqual(new Set([`${host}:443`]));
  expect((await recordOf('eta')).every(({ to }) => to.startsWith(`https://${host}/v1/`))).toBe(
    true,
  );

  // The environment's own way of naming a CA.
  await submit('proxied-again');
  const extra = { ...env, NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem') };
  await succeeded(site('eta', 'proxied-again', out, { env: extra }));

  // Without the CA nobody is believed; without the proxy the name is unknown; NO_PROXY goes past it.
  const stranger = site('theta', 'none', out, { env });
  await expect.poll(stranger.said).toMatch(/certificate.*; again in/);
  stranger.stop();
  const direct = site('theta', 'none', [...out, '--ca', 'ca.pem']);
  await expect.poll(direct.said).toMatch(/(ENOTFOUND|EAI_AGAIN).*; again in/);
  direct.stop();
  const before = proxy.asked.length;
  const local = ['--server', `https://localhost:${front.port}`, '--ca', 'ca.pem'];
  const past = site('theta', 'none', local, { env: { ...env, NO_PROXY: 'localhost' } });
  await expect.poll(past.said).toContain('site theta is waiting for jobs');
  past.stop();
  expect(proxy.asked.length).toBe(before);
});
