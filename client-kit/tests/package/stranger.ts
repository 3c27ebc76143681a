import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const KIT = resolve(import.meta.dirname, '../..');
export const ROOT = resolve(KIT, '..');

/** An empty project that has installed the kit's tarball, as a stranger would. */
export class Stranger {
  readonly dir = mkdtempSync(join(tmpdir(), 'stranger-'));

  constructor() {
    this.write('package.json', JSON.stringify({ name: 'stranger', type: 'module', private: true }));
    const packed = this.#npm(KIT, ['pack', '--silent', '--pack-destination', this.dir]);
    const tarball = packed.trim().split('\n').at(-1) ?? '';
    this.#npm(this.dir, ['install', '--no-audit', '--no-fund', '--offline', `./${tarball}`]);
    // Not from the network: the very one that this repository has.
    const name = 'node_modules/onnxruntime-web';
    symlinkSync(join(ROOT, name), join(this.dir, name));
  }

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #npm(cwd: string, args: string[]): string {
    return execFileSync('npm', args, { cwd, encoding: 'utf8' });
  }
}
