import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../scripts/build-worker.ts';

const SOURCES = ['core', 'client-kit', 'tsconfig.base.json'];
const MADE = new Set(['node_modules', 'dist', '.tsbuild']);

/**
 * Runs `npm pack` for the client kit, and its build with it, on a copy of the sources: it starts from nothing, and may
 * run beside another one. Gives the path of the tarball, somewhere under `folder`.
 */
export async function packKit(folder: string): Promise<string> {
  const copy = join(folder, 'sources');
  await mkdir(copy);
  for (const name of SOURCES) {
    const filter = (source: string): boolean => !MADE.has(basename(source));
    await cp(join(ROOT, name), join(copy, name), { recursive: true, filter });
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--json', '--silent', '--pack-destination', folder],
    { cwd: join(copy, 'client-kit') },
  );
  const [, filename = ''] = /"filename": "([^"]+)"/.exec(stdout) ?? [];
  return join(folder, filename);
}
