import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Contract } from '../http/contract.ts';
import { ADMIN } from '../../scripts/bare-server.ts';
import { Rig } from './rig.ts';

// A client in Python, written from the HTTP contract alone, runs whole jobs: what a third party would do.

const found = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']);
const why =
  found.error !== undefined
    ? 'python3 is not installed'
    : found.status === 0
      ? null
      : 'python3 is older than 3.9';

interface Outcome {
  readonly status: string;
  readonly digest: string;
  readonly results: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, readonly number[]>>;
  readonly expected: Readonly<Record<string, readonly number[]>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly tasks: Readonly<Record<string, readonly (readonly [string, number])[]>>;
  readonly trained: Readonly<Record<string, number>>;
  readonly events: readonly string[];
}

/** A line of the transcript that wire.py writes. */
interface Line {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

let rig: Rig;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-interop-'));
  if (why === null) rig = await Rig.start();
});
afterAll(async () => {
  await rig?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Holds every answer that the client got against the server's OpenAPI document. -> what there was: `GET /v1/inbox 200` */
async function checked(transcript: string): Promise<ReadonlySet<string>> {
  const contract = await Contract.of(rig.url);
  const lines = (await readFile(transcript, 'utf8')).trim().split('\n');
  for (const line of lines) {
    const { method, path, status, headers, text } = JSON.parse(line) as Line;
    const url = rig.url + path;
    await contract.check({
      method,
      url,
      status,
      headers: new Headers(headers),
      text: async () => text,
    });
  }
  return contract.seen;
}

/** Runs a scenario of scenarios.py against the live server; all its answers must be as described. -> what it reports */
async function scenario(name: string): Promise<Outcome> {
  const transcript = join(folder, `${name}.jsonl`);
  const outcome = await run(name, transcript);
  expect([...(await checked(transcript))]).toEqual(
    expect.arrayContaining([
      'POST /v1/jobs 201',
      'POST /v1/sites 401',
      'GET /v1/jobs/{id}/task 200',
      'POST /v1/jobs/{id}/tasks/{task}/result 200',
      'GET /v1/jobs/{id}/models/{name} 200',
    ]),
  );
  return outcome;
}

function run(name: string, transcript: string): Promise<Outcome> {
  const child = spawn(
    'python3',
    ['-B', join(import.meta.dirname, 'scenarios.py'), rig.url, ADMIN, name],
    {
      env: { ...process.env, WIRE_TRANSCRIPT: transcript },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 100_000,
      killSignal: 'SIGKILL',
    },
  );
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out.trim().split('\n').at(-1) ?? '') as Outcome);
      else reject(new Error(`${name}: exit code ${code}\n${errors.slice(-4000)}`));
    });
  });
}

const HELLO = [4, 5, 6, 7, 8, 9, 10, 11, 12];

describe.skipIf(why !== null)(`a Python client${why === null ? '' : ` (skipped: ${why})`}`, () => {
  test.each(['hello-full', 'hello-diff'])("FLARE's hello-numpy, %s: exact", async (name) => {
    const got = await scenario(name);
    expect(got.status).toBe('FINISHED:COMPLETED');
    expect(got.model).toEqual({ numpy_key: HELLO });
    expect(got.shapes).toEqual({ numpy_key: [3, 3] });
    for (const tasks of Object.values(got.tasks)) {
      expect(tasks).toEqual([0, 1, 2].map((round) => ['train', round]));
    }
    expect(got.events).toEqual(expect.arrayContaining(['reply', 'round', 'status', 'task']));
  });

  test('cross-site evaluation: every model on every site', async () => {
    const got = await scenario('cross');
    expect(got.model).toEqual({ numpy_key: HELLO });
    const sites = Object.keys(got.tasks);
    // Each site's last own model is the global of two rounds plus one: like the final one. Every site sees every model.
    const cell = { metrics: { mean: 8 }, examples: 1 };
    const row = Object.fromEntries(['global', ...sites].map((owner) => [owner, cell]));
    expect(got.results['cross']).toEqual(Object.fromEntries(sites.map((site) => [site, row])));
    for (const mean of Object.values(got.trained)) expect(mean).toBe(8);
  });

  test('weights of a third do not make 7 into 7.0000005', async () => {
    const { model } = await scenario('sevens');
    expect(model['seven']).toEqual(Array.from({ length: 1000 }, () => 7));
  });

  test.each(['oracle-full', 'oracle-diff'])(
    '%s: bit for bit what float64 in site order gives',
    async (name) => {
      const { status, model, expected } = await scenario(name);
      expect(status).toBe('FINISHED:COMPLETED');
      expect(model).toEqual(expected);
    },
  );
});
