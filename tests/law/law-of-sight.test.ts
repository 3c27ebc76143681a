import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// The law of sight, said once more and apart from the configuration that enforces it: room -> rooms it may import.
const SIGHT: Record<string, readonly string[]> = {
  'core/tensors': [],
  'core/protocol': ['core/tensors'],
  'core/workflows': ['core/protocol'],
  'core/aggregators': ['core/tensors', 'core/protocol'],
  'core/filters': ['core/tensors', 'core/protocol', 'core/privacy'],
  'core/privacy': ['core/tensors'],
  'core/onnx': ['core/tensors'],
  durable: ['core/tensors', 'core/protocol', 'core/workflows', 'core/aggregators', 'core/filters'],
  functions: ['durable', 'core/protocol'],
  'client-kit': ['core/tensors', 'core/protocol', 'core/filters', 'core/onnx'],
  cli: ['client-kit', 'core/tensors', 'core/protocol', 'core/onnx'],
  dashboard: ['client-kit', 'core/protocol'],
};

const root = resolve(import.meta.dirname, '../..');
const rooms = Object.keys(SIGHT);
/** Rooms that are packages keep their sources in a folder. */
const PACKAGES = ['client-kit', 'cli', 'dashboard'];
const source = (room: string): string => (PACKAGES.includes(room) ? `${room}/src` : room);
const slug = (room: string): string => room.replaceAll('/', '-');
let house: string;
let compiler = '';
let linter = '';

function run(command: string, args: readonly string[]): string {
  try {
    return execFileSync(join(root, 'node_modules/.bin', command), args, {
      cwd: house,
      encoding: 'utf8',
    });
  } catch (failure) {
    const { stdout, stderr } = failure as { stdout: string; stderr: string };
    return stdout + stderr;
  }
}

/** An empty copy of the house with the real tsconfigs and lint rules, and one import per ordered pair of rooms. */
beforeAll(() => {
  house = mkdtempSync(join(tmpdir(), 'law-'));
  symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'));
  for (const file of [
    'tsconfig.base.json',
    'tsconfig.json',
    '.oxlintrc.json',
    'core/globals.d.ts',
  ]) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    cpSync(join(root, file), join(house, file));
  }
  for (const room of rooms) {
    mkdirSync(join(house, source(room)), { recursive: true });
    cpSync(join(root, room, 'tsconfig.json'), join(house, room, 'tsconfig.json'));
    writeFileSync(join(house, source(room), 'noun.ts'), 'export const noun: number = 1;\n');
  }
  for (const from of rooms)
    for (const to of rooms) {
      if (from === to) continue;
      const path = relative(source(from), join(source(to), 'noun.ts'));
      writeFileSync(
        join(house, source(from), `sees-${slug(to)}.ts`),
        `import { noun } from '${path.startsWith('.') ? path : `./${path}`}';\nexport const seen: number = noun;\n`,
      );
    }
  compiler = run('tsc', ['-b', '--pretty', 'false']);
  linter = run('oxlint', ['--format', 'unix', ...rooms]);
}, 120_000);

afterAll(() => rmSync(house, { recursive: true, force: true }));

const refused = (from: string, to: string): boolean => {
  const file = `${source(from)}/sees-${slug(to)}.ts`;
  return [...compiler.split('\n'), ...linter.split('\n')].some(
    (line) => line.includes(file) && /TS6307|TS6059|no-restricted-imports/.test(line),
  );
};

describe.each(rooms)('%s', (from) => {
  test.each(rooms.filter((to) => to !== from))('and %s', (to) => {
    expect(refused(from, to)).toBe(!SIGHT[from]!.includes(to));
  });
});

test('every room of the table is a project of the root tsconfig', () => {
  const references = (
    JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
      references: { path: string }[];
    }
  ).references;
  expect(references.map((r) => r.path).toSorted()).toEqual(rooms.toSorted());
});
