// The Worker's own pages and their files: headers, names, methods. What they do is tested in a browser.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DASHBOARD } from '../../scripts/build-dashboard.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const get = (path: string, init?: RequestInit): Promise<Response> => fetch(server.url + path, init);

test.each(['/join', '/jobs/any'])(
  '%s is a page that loads nothing from elsewhere',
  async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe-inline');
    expect(policy).not.toContain("'unsafe-eval'");
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    const text = await answer.text();
    const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
    expect(addresses.length).toBeGreaterThan(2);
    for (const address of addresses) {
      expect(address).toMatch(/^\/assets\//);
      const file = await get(address ?? '');
      expect(file.status, address).toBe(200);
      expect(file.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      await file.arrayBuffer();
    }
    // No script and no style in the page itself: the policy would stop them.
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
    const head = await get(path, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  },
);

test("ONNX Runtime's WebAssembly comes as such", async () => {
  const names = await readdir(join(DASHBOARD, 'assets'));
  const runtimes = names.filter((name) => name.endsWith('.wasm'));
  expect(runtimes).toHaveLength(2);
  for (const name of runtimes) {
    const answer = await get(`/assets/${name}`, { method: 'HEAD' });
    expect(answer.headers.get('content-type')).toBe('application/wasm');
  }
});

test('no asset is larger than Cloudflare takes', async () => {
  const names = await readdir(join(DASHBOARD, 'assets'));
  for (const name of names) {
    const { size } = await stat(join(DASHBOARD, 'assets', name));
    expect(size, name).toBeLessThanOrEqual(25 * 1024 * 1024);
  }
});

test.each([
  '/join/',
  '/joining',
  '/join.html',
  '/assets/',
  '/assets/none.js',
  '/assets/.hidden',
  '/assets/..%2fjoin.html',
  '/assets/%2e%2e/join.html',
  '/assets/a%2fb.js',
])('%s is not there', async (path) => {
  const answer = await get(path);
  expect(answer.status).toBe(404);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  await answer.arrayBuffer();
});

test('a page is only read', async () => {
  const answer = await get('/join', { method: 'POST', body: 'x' });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe('GET, HEAD');
  await answer.arrayBuffer();
});
