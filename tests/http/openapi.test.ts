import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { pathOf, ROUTES } from '../../core/protocol/http.ts';
import type { Route } from '../../core/protocol/route.ts';
import { VERSION } from '../../core/protocol/version.ts';
import { Api } from './api.ts';
import { startServer } from '../../scripts/bare-server.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

test('the document tells of every route, and its schemas are schemas', async () => {
  const server = await startServer();
  try {
    const document = await new Api(server).json<{
      openapi: string;
      info: { version: string };
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, object> };
    }>('/v1/openapi.json', 200, { token: null });
    expect(document.openapi).toMatch(/^3\.1/);
    expect(document.info.version).toBe(packageJson.version);

    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
    );
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const described = operations.map(({ method, path }) => `${method} ${path}`).toSorted();
    const routes = Object.values(ROUTES).flatMap(({ methods, path, head }: Route) =>
      [...methods, ...(head ? ['HEAD'] : [])].map(
        (method) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`,
      ),
    );
    expect(described).toEqual(routes.toSorted());
    for (const { path, parameters, responses } of operations) {
      const named = parameters.filter((p) => p.in === 'path').map(({ name }) => `{${name}}`);
      expect(named).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(Object.keys(responses)).toContain('default');
    }

    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema(document, 'openapi');
    const references = new Set(JSON.stringify(document).match(/#\/components\/schemas\/\w+/g));
    for (const name of references) ajv.compile({ $ref: `openapi${name}` });
    expect(references.size).toBe(Object.keys(document.components.schemas).length);
  } finally {
    await server.stop();
  }
});

test('the version is the package’s', () => {
  expect(VERSION).toBe(packageJson.version);
});

test('a path is filled in and escaped, and a missing part is an error', () => {
  expect(pathOf('getModel', { id: 'j', name: 'a/b c' })).toBe('/v1/jobs/j/models/a%2Fb%20c');
  expect(pathOf('listJobs', { query: { limit: 5 } })).toBe('/v1/jobs?limit=5');
  expect(() => pathOf('getJob', { id: '' })).toThrow(RangeError);
});
