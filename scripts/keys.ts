import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Keys {
  readonly TOKEN_KEY: string;
  readonly ADMIN_TOKEN: string;
  /** The key before a rotation, where there was one. */
  readonly TOKEN_KEY_PREVIOUS?: string;
}

/** 32 random bytes that sign site tokens: never derived from anything. */
export const newTokenKey = (): string => randomBytes(32).toString('base64url');
export const newAdminToken = (): string => `tadmin_${randomBytes(32).toString('base64url')}`;

/**
 * The keys of a data folder, from DIR/keys.json (readable by its owner only); missing ones are made. What the
 * environment gives wins and is not stored. `made` is the admin token where it was made now: it is to be shown once.
 */
export async function keysOf(
  dir: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly keys: Keys; readonly made: string | null }> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'keys.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}';
    throw error;
  });
  const stored = JSON.parse(text) as Partial<Keys>;
  const made = env['ADMIN_TOKEN'] || stored.ADMIN_TOKEN ? null : newAdminToken();
  const keys = {
    ...stored,
    TOKEN_KEY: stored.TOKEN_KEY ?? newTokenKey(),
    ...(made === null ? {} : { ADMIN_TOKEN: made }),
  };
  if (made !== null || !stored.TOKEN_KEY) {
    // Whole or not at all: a crash must not leave half a key.
    const fresh = `${file}.${process.pid}`;
    await writeFile(fresh, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
    await rename(fresh, file);
  }
  const previous = env['TOKEN_KEY_PREVIOUS'] || stored.TOKEN_KEY_PREVIOUS;
  return {
    keys: {
      TOKEN_KEY: env['TOKEN_KEY'] || keys.TOKEN_KEY,
      ADMIN_TOKEN: env['ADMIN_TOKEN'] || (keys.ADMIN_TOKEN ?? ''),
      ...(previous ? { TOKEN_KEY_PREVIOUS: previous } : {}),
    },
    made,
  };
}
