import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { drawOf } from './draw.ts';
import { FakeServer } from '../../client-kit/tests/fake-server.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';

// A site and its agent, in processes of their own, killed with SIGKILL at random moments. No result that the agent was
// told is taken may be lost, none may be sent in two versions, and none may be computed again for the death of the site.

const ELEMENTS = 5000;
const long = process.env['TRIBUTARY_LONG'] === '1';
const KILLS = long ? 50 : 10;
const python = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']);

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The kit's fake server on a port, noting each version of a result that comes. */
const serve = async (
  fake: FakeServer,
): Promise<{ url: string; nonces: Map<string, Set<string>> }> => {
  const nonces = new Map<string, Set<string>>();
  const server: Server = createServer((request, response) => {
    void (async () => {
      const { method = 'GET', url = '/' } = request;
      const body = new Uint8Array(await buffer(request));
      const task = /tasks\/([^/]+)\/result/.exec(url)?.[1];
      if (task !== undefined) {
        const file = decode(body);
        const header = JSON.parse((file.ok && file.value.metadata.get('fl_model')) || '{}') as {
          meta?: { nonce?: string };
        };
        const seen = nonces.get(task) ?? new Set();
        nonces.set(task, seen.add(header.meta?.nonce ?? `no nonce: ${JSON.stringify(header)}`));
      }
      const init: RequestInit = { method, headers: request.headers as Record<string, string> };
      const answer = await fake.fetch(
        `http://fake.test${url}`,
        body.length > 0 ? { ...init, body } : init,
      );
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(new Uint8Array(await answer.arrayBuffer()));
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, nonces };
};

/** A program that is started again whenever it was killed. */
class Victim {
  readonly #commands: readonly (readonly string[])[];
  #child: ChildProcess | undefined;
  #lives = 0;
  errors = '';

  constructor(commands: readonly (readonly string[])[]) {
    this.#commands = commands;
    ends.push(() => this.kill());
  }

  start(): void {
    const [program = '', ...args] = this.#commands[this.#lives++ % this.#commands.length] ?? [];
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text: Buffer) => (this.errors += text.toString()));
    this.#child = child;
  }

  /** Exit code; null while it runs, or if it was killed. */
  get exit(): number | null {
    return this.#child?.exitCode ?? null;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

const modelOf = (task: number) =>
  encode(
    new Map([
      ['w', { dtype: 'F32', shape: [ELEMENTS], data: new Float32Array(ELEMENTS).fill(task) }],
    ]),
  );

test.each(['unix', 'dir'])(
  `${KILLS} kills of either side over %s: no result is lost, none is taken twice`,
  async (scheme) => {
    const root = mkdtempSync(join(tmpdir(), 'tributary-agent-'));
    ends.push(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));
    const fake = new FakeServer();
    const job = fake.addJob('j', { executors: [{ tasks: ['*'], use: 'task-exchanger' }] }, []);
    const add = (): void => {
      const number = job.tasks.length;
      const model = modelOf(number);
      fake.addBlob(model);
      job.tasks.push({ id: `t${number}`, name: 'train', model });
    };
    const { url, nonces } = await serve(fake);
    const ledger = join(root, 'ledger');
    const address = `${scheme}:${join(root, 'pipe')}`;
    const here = import.meta.dirname;
    const site = new Victim([
      [process.execPath, join(here, 'agent-site.ts'), url, join(root, 'state'), address],
    ]);
    const agent = new Victim([
      [process.execPath, join(here, 'agent-worker.ts'), address, ledger],
      ...(python.status === 0
        ? [['python3', '-B', join(here, 'agent_worker.py'), address, ledger]]
        : []),
    ]);
    add();
    site.start();
    agent.start();
    const rng = drawOf(scheme, 'agent');
    const answered = (): number => fake.results.size;
    const feed = setInterval(() => {
      while (job.tasks.length < answered() + 3 && !job.ended) add();
    }, 5);
    ends.push(() => clearInterval(feed));

    let agentDeaths = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      // Mostly once work goes on again, at a random moment of it; now and then while a victim still starts.
      if (rng() < 0.8) {
        const before = answered();
        await expect.poll(answered, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before);
      }
      await sleep(150 * rng());
      const ofAgent = rng() < 0.5;
      const victim = ofAgent ? agent : site;
      if (ofAgent) agentDeaths++;
      await victim.kill();
      victim.start();
    }
    const before = answered();
    await expect.poll(answered, { timeout: 30_000 }).toBeGreaterThan(before + 2);
    job.ended = true;
    await expect.poll(() => [site.exit, agent.exit], { timeout: 30_000 }).toEqual([0, 0]);

    expect(answered()).toBe(job.tasks.length);
    for (const [number] of job.tasks.entries()) {
      const w = fake.tensorsOf(`t${number}`).tensors.get('w');
      expect(w?.shape).toEqual([ELEMENTS]);
      expect(w?.data.every((value) => value === number + 1)).toBe(true);
    }
    // One version of each result ever left the site.
    for (const [task, versions] of nonces) expect([task, versions.size]).toEqual([task, 1]);
    const notes = existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n') : [];
    const words = notes.map((line) => line.split(' '));
    const taken = words.filter(([what]) => what === 'taken');
    for (const [, task = '', nonce] of taken)
      expect([...(nonces.get(task) ?? [])]).toEqual([nonce]);
    expect(new Set(taken.map(([, task]) => task)).size).toBe(taken.length);
    // The agent's death costs the one thing that it was doing; the site's costs nothing.
    const begun = words.filter(([what]) => what === 'begun').length;
    expect(begun).toBeLessThanOrEqual(job.tasks.length + agentDeaths);
    expect(site.errors + agent.errors).toBe('');
  },
  long ? 600_000 : 120_000,
);
