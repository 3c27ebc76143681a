import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { runCommandLine } from './command-line.ts';
import { COMMANDS } from './commands/registry.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const run = async (argv: string[], env: NodeJS.ProcessEnv = {}) => {
  let [stdout, stderr] = ['', ''];
  const code = await runCommandLine(argv, {
    env: { XDG_CONFIG_HOME: '/nowhere', ...env },
    signal: new AbortController().signal,
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
  });
  return { code, stdout, stderr };
};

const serve = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const problem = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: '', status, ...body }));
};

test('help names every command, and every command explains itself', async () => {
  const { code, stdout } = await run(['help']);
  expect(code).toBe(0);
  for (const { name, summary } of COMMANDS) {
    expect(stdout).toContain(name);
    expect((await run([...name.split(' '), '--help'])).stdout).toContain(summary);
  }
  expect((await run(['help', 'exit-codes'])).stdout).toMatch(
    /5 {2}the job ended, and not as FINISHED:COMPLETED/,
  );
});

test.each([
  ['nothing', [], 2],
  ['an unknown command', ['job', 'destroy'], 2],
  ['a missing argument', ['job', 'show', '--server', 'http://x', '--token', 't'], 2],
  ['an unknown option', ['job', 'list', '--nope'], 2],
  [
    'a number that is none',
    ['job', 'list', '--limit', 'x', '--server', 'http://x', '--token', 't'],
    2,
  ],
  ['no server', ['job', 'list'], 2],
  ['no token', ['job', 'list', '--server', 'http://x'], 3],
  [
    'a missing file',
    ['job', 'submit', '/nowhere/job.json', '--server', 'http://x', '--token', 't'],
    4,
  ],
  ['a model that is none', ['model', 'inspect', new URL(import.meta.url).pathname], 8],
])('exit code of %s', async (_, argv, code) => {
  expect((await run(argv)).code).toBe(code);
});

test('a server that does not answer is exit code 6', async () => {
  const server = await serve(() => undefined);
  for (const close of closing.splice(0)) close();
  const { code, stderr } = await run(['job', 'list', '--server', server, '--token', 't', '--json']);
  expect(code).toBe(6);
  const last = stderr.trim().split('\n').at(-1) ?? '';
  expect(JSON.parse(last)).toMatchObject({ error: { code: 'UNREACHABLE' } });
});

test.each([
  [401, 3],
  [403, 3],
  [404, 4],
  [409, 7],
  [422, 7],
])('a problem of status %i is exit code %i', async (status, code) => {
  const server = await serve((_, response) =>
    problem(response, status, { detail: 'no', code: 'X' }),
  );
  expect((await run(['job', 'show', 'j', '--server', server, '--token', 't'])).code).toBe(code);
});

test('a refused spec shows each field with its path', async () => {
  const errors = [{ path: 'workflows[0].args.rounds', expected: 'an integer >= 1', got: '-1' }];
  const server = await serve((_, response) =>
    problem(response, 422, { detail: 'The spec is not valid.', code: 'INVALID_SPEC', errors }),
  );
  const argv = ['job', 'clone', 'j', '--server', server, '--token', 't'];
  expect((await run(argv)).stderr).toContain(
    'workflows[0].args.rounds: expected an integer >= 1, got -1',
  );
  expect(JSON.parse((await run([...argv, '--json'])).stderr)).toMatchObject({ error: { errors } });
});

test('lists follow the cursor; JSON is one value on stdout; the token goes as bearer', async () => {
  const job = (id: string) => ({ id, name: id, status: 'RUNNING', submitted: 0 });
  const asked: (string | undefined)[] = [];
  const server = await serve((request, response) => {
    asked.push(request.url);
    expect(request.headers.authorization).toBe('Bearer secret');
    const second = request.url?.includes('cursor=2');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ jobs: [job(second ? 'b' : 'a')], next: second ? null : '2' }));
  });
  const env = { TRIBUTARY_SERVER: server, TRIBUTARY_TOKEN: 'secret' };
  const { code, stdout } = await run(['job', 'list', '--json', '--limit', '5'], env);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ jobs: [job('a'), job('b')] });
  expect(asked).toEqual(['/v1/jobs?limit=5', '/v1/jobs?limit=4&cursor=2']);
});

test('login tries the token, keeps it for its owner only, and others use it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-cli-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const env = { XDG_CONFIG_HOME: folder };
  const server = await serve((request, response) => {
    if (request.headers.authorization !== 'Bearer good') {
      return problem(response, 401, { detail: 'unknown token', code: 'UNAUTHORIZED' });
    }
    response.end(JSON.stringify({ jobs: [], next: null }));
  });
  const file = join(folder, 'tributary', 'profile.json');
  expect((await run(['login', server, '--token', 'bad'], env)).code).toBe(3);
  expect((await run(['login', server, '--token', 'good'], env)).code).toBe(0);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ server, token: 'good' });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await run(['job', 'list'], env)).stdout).toBe('no jobs\n');
});

test('an idempotency key goes with what creates, and stays the same when it is tried again', async () => {
  const keys: unknown[] = [];
  const server = await serve((request, response) => {
    keys.push(request.headers['idempotency-key']);
    if (keys.length === 1) return problem(response, 503, { detail: 'busy', code: 'BUSY' });
    response.writeHead(201);
    response.end(JSON.stringify({ id: 'e', token: 'tenrol_1', uses: 3, expires: 0 }));
  });
  const argv = ['enrolment', 'create', '--uses', '3', '--server', server, '--token', 't', '--json'];
  const { code, stdout } = await run(argv);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ token: 'tenrol_1' });
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
  expect(keys[0]).toMatch(/\S{8,}/);
});
