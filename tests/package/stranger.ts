import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { digits } from '../../client-kit/tests/digits.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { packKit } from './packed-kit.ts';
import { filesOf } from './documents.ts';

const run = promisify(execFile);

/** The rest of what a stranger installs: what this repository has, or what the registry gives. */
export type Source = 'linked' | 'registry';

/** The Node that runs npm here, as a stranger's would: the oldest that this repository is used with. */
const NODE = process.env['npm_node_execpath'] ?? process.execPath;

/** A program that runs in the project. */
export interface Running {
  /** All it has printed so far. */
  readonly said: () => string;
  /** Its exit status, once it has ended. */
  readonly ended: Promise<number | null>;
  /** As Ctrl-C and `kill` do. */
  readonly stop: (signal: NodeJS.Signals) => void;
}

/**
 * A project that was empty, somewhere else on the disk: it has installed the kit's tarball and its peer, and copied
 * the files of the kit's README.
 */
export class Stranger {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(source: Source = 'linked'): Promise<Stranger> {
    const dir = await mkdtemp(join(tmpdir(), 'stranger-'));
    const stranger = new Stranger(dir);
    const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const tarball = await packKit(dir);
    await stranger.write(
      'package.json',
      '{ "name": "stranger", "private": true, "type": "module" }',
    );
    const install = ['install', '--no-audit', '--no-fund', tarball];
    if (source === 'registry') install.push(`onnxruntime-web@${dependencies['onnxruntime-web']}`);
    else install.push('--offline');
    await run('npm', install, { cwd: dir });
    // The tools; and, to stay off the network, the peer.
    const links = ['@types/node', 'vite', ...(source === 'linked' ? ['onnxruntime-web'] : [])];
    for (const name of links) {
      const place = join(dir, 'node_modules', name);
      await rm(place, { recursive: true, force: true });
      await mkdir(dirname(place), { recursive: true });
      await symlink(join(ROOT, 'node_modules', name), place);
    }
    await stranger.copy('client-kit/README.md');
    return stranger;
  }

  /** Copies the files of a document of this repository. */
  async copy(document: string): Promise<void> {
    for (const [name, text] of await filesOf(document)) await this.write(name, text);
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    const path = join(this.dir, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }

  /** Digits `from` to `to` of MNIST's training set, as the README's programs read them, in a folder. */
  async digits(folder: string, from: number, to: number): Promise<void> {
    const { x, y } = digits('train', from, to);
    await this.write(join(folder, 'digits/images'), x.data as Uint8Array);
    await this.write(join(folder, 'digits/labels'), Uint8Array.from(y));
  }

  /** Type-checks files as `options` say and, unless they say `noEmit`, writes JavaScript into out/. Gives tsc's complaints. */
  async check(
    files: readonly string[],
    options: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const compilerOptions = {
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      rootDir: '.',
      outDir: 'out',
      ...options,
    };
    await this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: this.dir }).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    );
  }

  /** Runs a program of out/ in a folder of its own, with nothing in its environment but what is given. */
  start(program: string, folder: string, env: Readonly<Record<string, string>>): Running {
    const child = spawn(NODE, [join(this.dir, 'out', program)], {
      cwd: join(this.dir, folder),
      env: { ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => (said += text.toString()));
    }
    const exit = (): void => void child.kill('SIGKILL');
    process.once('exit', exit);
    const ended = once(child, 'close').then(() => {
      process.off('exit', exit);
      return child.exitCode;
    });
    return { said: () => said, ended, stop: (signal) => void child.kill(signal) };
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true });
  }
}
