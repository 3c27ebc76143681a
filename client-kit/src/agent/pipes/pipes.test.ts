import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { agentPipe, sitePipe } from './address.ts';
import { pipeSuite } from './pipe.suite.ts';
import { PortAgentPipe, PortSitePipe } from './port.ts';
import { windowPort } from './window-port.ts';

const root = mkdtempSync(join(tmpdir(), 'tributary-pipe-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const fresh = (): string => {
  const folder = join(root, `${++folders}`);
  mkdirSync(folder);
  return folder;
};

const at = (address: string) =>
  Promise.resolve({ site: sitePipe(address), agent: () => agentPipe(address) });

/** A port that nobody has now. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

describe('a Unix socket', () => {
  pipeSuite(() => at(`unix:${join(fresh(), 'agent.sock')}`));

  test("is its owner's only", async () => {
    const path = join(fresh(), 'agent.sock');
    const shut = await sitePipe(`unix:${path}`).open(() => Promise.resolve({ head: {} }));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await shut();
  });

  test('of a killed site is taken over, that of a living one is not', async () => {
    const path = join(fresh(), 'agent.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    const shut = await sitePipe(`unix:${path}`).open(() => Promise.resolve({ head: {} }));
    await expect(
      sitePipe(`unix:${path}`).open(() => Promise.resolve({ head: {} })),
    ).rejects.toThrow(/EADDRINUSE/);
    await shut();
  });
});

describe('HTTP on a port', () => {
  pipeSuite(async () => at(`http://127.0.0.1:${await freePort()}`));

  test.each<[string, RequestInit & { host?: string }, number]>([
    ['a page of a stranger', { headers: { origin: 'https://evil.example' } }, 403],
    ['no token', { headers: {} }, 401],
    ['another token', { headers: { authorization: 'Bearer guess' } }, 401],
    ['a GET', { method: 'GET', body: null, headers: { authorization: 'Bearer secret' } }, 405],
    [
      'another media type',
      { headers: { authorization: 'Bearer secret', 'content-type': 'text/plain' } },
      400,
    ],
    [
      'no JSON',
      {
        body: '{',
        headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
      },
      400,
    ],
  ])('%s is refused', async (_, init, status) => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const asked: unknown[] = [];
    const answer = (request: unknown) => {
      asked.push(request);
      return Promise.resolve({ head: {} });
    };
    const shut = await sitePipe(address, { token: 'secret' }).open(answer);
    const response = await fetch(address, { method: 'POST', body: '{}', ...init });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ status: 'rejected', reason: expect.any(String) });
    expect(asked).toEqual([]);
    const signal = new AbortController().signal;
    const agent = agentPipe(address, { token: 'secret' });
    expect(await agent.ask({ head: {} }, { signal, patienceMS: 5000 })).toEqual({ head: {} });
    await shut();
  });

  test('is for this machine only', async () => {
    await expect(
      sitePipe('http://0.0.0.0:8765').open(() => Promise.resolve({ head: {} })),
    ).rejects.toThrow(/this machine/);
  });
});

describe('files in a folder', () => {
  pipeSuite(() => at(`dir:${fresh()}`));

  test('leave nothing behind, and what a killed agent left goes', async () => {
    const folder = fresh();
    for (const inner of ['requests', 'answers']) {
      mkdirSync(join(folder, inner));
      writeFileSync(join(folder, inner, 'old.json'), '{}');
      writeFileSync(join(folder, inner, '.half'), '{');
    }
    const agent = agentPipe(`dir:${folder}`);
    const signal = new AbortController().signal;
    const asked = agent.ask({ head: { a: 1 } }, { signal, patienceMS: 5000 });
    const shut = await sitePipe(`dir:${folder}`).open((request) => Promise.resolve(request));
    expect(await asked).toEqual({ head: { a: 1 } });
    await shut();
    for (const inner of ['requests', 'answers'])
      expect(readdirSync(join(folder, inner))).toEqual([]);
  });

  test('a file that is no message is rejected', async () => {
    const folder = fresh();
    const shut = await sitePipe(`dir:${folder}`).open((request) => Promise.resolve(request));
    writeFileSync(join(folder, 'requests', 'x.json'), '[');
    await expect.poll(() => readdirSync(join(folder, 'answers'))).toEqual(['x.json']);
    await shut();
  });
});

describe('message ports', () => {
  pipeSuite(() => {
    const site = new PortSitePipe();
    const ends = {
      site,
      agent: () => {
        const { port1, port2 } = new MessageChannel();
        site.attach(port1);
        onTestFinished(() => port1.close());
        return new PortAgentPipe(port2);
      },
    };
    return Promise.resolve(ends);
  });

  test('between windows only what the other window says from its own origin is heard', () => {
    const here = new EventTarget() as unknown as Window;
    const said: unknown[] = [];
    const other = {
      postMessage: (data: unknown, origin: string) => said.push([data, origin]),
    } as unknown as Window;
    const port = windowPort(other, 'https://train.example', here);
    const heard: unknown[] = [];
    const listener = ({ data }: { readonly data: unknown }): void => void heard.push(data);
    port.addEventListener('message', listener);
    const say = (data: string, source: unknown, origin: string): void => {
      here.dispatchEvent(Object.assign(new Event('message'), { data, source, origin }));
    };
    say('a', other, 'https://train.example');
    say('b', other, 'https://evil.example');
    say('c', {}, 'https://train.example');
    port.removeEventListener('message', listener);
    say('d', other, 'https://train.example');
    expect(heard).toEqual(['a']);
    port.postMessage('x', []);
    expect(said).toEqual([['x', 'https://train.example']]);
    expect(() => windowPort(other, '*', here)).toThrow(TypeError);
  });
});

test.each(['', 'train.sock', 'ftp://x:1', 'https://127.0.0.1:1', 'http://127.0.0.1', 'unix:'])(
  "'%s' is no address",
  (address) => {
    expect(() => sitePipe(address)).toThrow(TypeError);
    expect(() => agentPipe(address)).toThrow(TypeError);
  },
);
