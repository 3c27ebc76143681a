import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { pythonWith, run, whyNot } from './python.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODULES = 'torch, onnx, safetensors';
const python = pythonWith(MODULES);

test.skipIf(python === undefined)(
  `docs/my-pytorch-model.md does what it says${whyNot(python, MODULES)}`,
  { timeout: 600_000 },
  () => {
    const text = readFileSync(join(ROOT, 'docs/my-pytorch-model.md'), 'utf8');
    const blocks = [...text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)];
    const folder = mkdtempSync(join(tmpdir(), 'pytorch-'));
    try {
      // The command as the repository runs it.
      writeFileSync(
        join(folder, 'tributary'),
        `#!/bin/sh\nexec ${process.execPath} ${ROOT}/cli/bin/tributary.js "$@"\n`,
        { mode: 0o755 },
      );
      const done: string[] = [];
      for (const [, language, file, body = ''] of blocks) {
        if (language === 'python' && file !== undefined) {
          writeFileSync(join(folder, file), body);
          done.push(run(python ?? '', [file], folder));
        } else if (language === 'sh') {
          const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', body], {
            cwd: folder,
            encoding: 'utf8',
            env: { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}` },
          });
          expect(status, `${body}\n${stdout}${stderr}`).toBe(0);
          done.push(stdout);
        }
      }
      expect(done).toHaveLength(7);
      expect(done.at(-2)).toMatch(/^accuracy (0\.9|1\.0)/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
