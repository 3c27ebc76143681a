import { readFile } from 'node:fs/promises';
import { trustCa, useProxies } from '../../client-kit/src/runtimes/node/outbound.ts';
import type { Context } from './command.ts';
import { CommandError } from './exit-code.ts';

/** How requests leave this machine: through the environment's proxies, trusting a private CA. Throws CommandError. */
export const reachOut = async ({ options, env, out }: Context): Promise<void> => {
  const file = options.text('ca');
  if (file !== undefined) {
    const pem = await readFile(file, 'utf8');
    try {
      trustCa(pem);
    } catch (error) {
      throw new CommandError('data', `${file}: ${(error as Error).message}`);
    }
  }
  try {
    useProxies(env);
  } catch (error) {
    out.progress(`${(error as Error).message}. Going on without it.`);
  }
};
