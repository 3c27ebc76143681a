import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, wranglerBin } from './build-worker.ts';
import { newAdminToken, newTokenKey } from './keys.ts';

/** Secrets that the Worker can't run without. */
const NEEDED = ['TOKEN_KEY', 'ADMIN_TOKEN'] as const;
type Secret = (typeof NEEDED)[number];

const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' };

const wrangler = (args: readonly string[], stdio: 'inherit' | 'pipe' = 'inherit') =>
  spawnSync(process.execPath, [wranglerBin, ...args], { cwd: ROOT, env, stdio, encoding: 'utf8' });

/** What `wrangler secret list` says is there; nothing where the Worker isn't yet. Throws where it can't tell. */
export function secretsThere(status: number | null, stdout: string, stderr: string): Set<string> {
  if (status === 0) {
    const listed = JSON.parse(stdout.slice(stdout.indexOf('['))) as readonly { name: string }[];
    return new Set(listed.map(({ name }) => name));
  }
  // Cloudflare's code for a Worker that does not exist: this is the first deployment.
  if (/\b10007\b/.test(stderr + stdout)) return new Set();
  throw new Error(stderr || stdout || 'wrangler secret list failed');
}

/** Values for the secrets that are missing: what the environment gives, or made here. */
export function missingSecrets(
  there: ReadonlySet<string>,
  given: Readonly<Record<string, string | undefined>>,
): Partial<Record<Secret, string>> {
  const made = {
    TOKEN_KEY: given['TOKEN_KEY'] || newTokenKey(),
    ADMIN_TOKEN: given['ADMIN_TOKEN'] || newAdminToken(),
  };
  return Object.fromEntries(
    NEEDED.flatMap((name) => (there.has(name) ? [] : [[name, made[name]]])),
  );
}

/**
 * Deploys to Cloudflare. Missing secrets are made and go up with the code, so that there is no moment without; those that
 * are there stay. The admin token is printed once, when it was made.
 */
function deploy(args: readonly string[]): number {
  if (args.includes('--dry-run')) return wrangler(['deploy', ...args]).status ?? 1;
  const list = wrangler(['secret', 'list', '--format', 'json'], 'pipe');
  const there = secretsThere(list.status, list.stdout, list.stderr);
  const secrets = missingSecrets(there, process.env);
  if (Object.keys(secrets).length === 0) return wrangler(['deploy', ...args]).status ?? 1;
  const folder = mkdtempSync(join(tmpdir(), 'tributary-deploy-'));
  try {
    const file = join(folder, 'secrets.json');
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
    const { status } = wrangler(['deploy', '--secrets-file', file, ...args]);
    if (status !== 0) return status ?? 1;
    if (secrets.ADMIN_TOKEN !== undefined && !process.env['ADMIN_TOKEN']) {
      console.log(`admin token, shown once: ${secrets.ADMIN_TOKEN}`);
    }
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = deploy(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
