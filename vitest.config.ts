import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const testDisk = join(import.meta.dirname, '.tributary', 'test-disk');
mkdirSync(testDisk, { recursive: true });

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: [
            '{core,client-kit,cli,dashboard,demo,functions,scripts,tests/http,tests/law}/**/*.test.ts',
          ],
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Many small files: two at a time, after the suites whose tests keep the whole machine busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            // Stores that blobs may live in, under names that the Worker doesn't look for (durable/blobs, durable/models).
            miniflare: {
              r2Buckets: ['TEST_R2'],
              serviceBindings: { TEST_DISK: { disk: { path: testDisk, writable: true } } },
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['durable/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // With R2 bound, as a deployment may have it.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: { r2Buckets: ['R2'] },
          }),
        ],
        test: {
          name: 'workerd-r2',
          include: ['tests/workerd/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'interop',
          environment: 'node',
          include: ['tests/interop/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'models',
          environment: 'node',
          include: ['tests/models/**/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'cli-e2e',
          environment: 'node',
          include: ['tests/cli/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        test: {
          name: 'demo',
          environment: 'node',
          include: ['tests/demo/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        test: {
          name: 'package',
          environment: 'node',
          include: ['tests/package/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'browser',
          environment: 'node',
          include: ['tests/browser/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'wrangler',
          environment: 'node',
          include: ['tests/wrangler/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'crash',
          environment: 'node',
          include: ['tests/crash/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
});
