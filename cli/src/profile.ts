import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandError } from './exit-code.ts';

/** What `tributary login` keeps: where the server is and who we are there. */
export interface Profile {
  readonly server?: string;
  readonly token?: string;
}

/** Where a profile lies unless `--profile` says otherwise. */
export const defaultProfile = (env: NodeJS.ProcessEnv): string =>
  join(env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'tributary', 'profile.json');

/** Reads a profile; an absent file is an empty one. Throws CommandError on a file that isn't one. */
export const readProfile = async (path: string): Promise<Profile> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}';
    throw error;
  });
  try {
    const { server, token } = JSON.parse(text) as Record<string, unknown>;
    return {
      ...(typeof server === 'string' && { server }),
      ...(typeof token === 'string' && { token }),
    };
  } catch {
    throw new CommandError('data', `${path}: not a JSON profile`);
  }
};

/** Writes a profile that only its owner can read: it holds a token. */
export const writeProfile = async (path: string, profile: Profile): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o600 });
  await chmod(path, 0o600); // the mode above counts only for a new file
};
