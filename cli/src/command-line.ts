import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { Connection } from '../../client-kit/src/connection.ts';
import { COMMANDS } from './commands/registry.ts';
import { GLOBAL_OPTIONS } from './command.ts';
import type { Command, Context } from './command.ts';
import { CommandError, exitCode, failureOf } from './exit-code.ts';
import { commandHelp, exitCodeHelp, overview } from './help.ts';
import { Options } from './options.ts';
import { outputTo } from './output.ts';
import type { Output } from './output.ts';
import { defaultProfile, readProfile } from './profile.ts';
import { reachOut } from './reach-out.ts';

/** The world around one run of the command. */
export interface World {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether stderr is a terminal. */
  readonly terminal?: boolean;
}

const positional = (command: Command, given: readonly string[]): Record<string, string> => {
  const args: Record<string, string> = {};
  for (const [i, slot] of command.args.entries()) {
    const name = slot.replace(/[[\]]/g, '');
    const value = given[i];
    if (value) args[name] = value;
    else if (!slot.startsWith('[')) {
      throw new CommandError('usage', `argument <${name}> is missing`, [commandHelp(command)]);
    }
  }
  const extra = given[command.args.length];
  if (extra !== undefined) throw new CommandError('usage', `unexpected argument '${extra}'`);
  return args;
};

const contextOf = (
  command: Command,
  argv: readonly string[],
  world: World,
  out: Output,
): Context => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { ...GLOBAL_OPTIONS, ...command.options },
    allowPositionals: true,
    strict: true,
  });
  const options = new Options(values);
  const { env, signal } = world;
  const profile = options.text('profile') ?? defaultProfile(env);
  const server = async (): Promise<string> => {
    const found =
      options.text('server') ?? env['TRIBUTARY_SERVER'] ?? (await readProfile(profile)).server;
    if (found && URL.canParse(found)) return found;
    if (found)
      throw new CommandError(
        'usage',
        `server: expected a URL like https://fl.example.org, got '${found}'`,
      );
    throw new CommandError(
      'usage',
      'which server? Give --server, set TRIBUTARY_SERVER, or run: tributary login',
    );
  };
  const admin = async (): Promise<Connection> => {
    const token =
      options.text('token') ?? env['TRIBUTARY_TOKEN'] ?? (await readProfile(profile)).token;
    const address = await server();
    if (!token) {
      throw new CommandError(
        'auth',
        'no token. Give --token, set TRIBUTARY_TOKEN, or run: tributary login',
      );
    }
    return new Connection({
      server: address,
      token,
      onRetry: ({ waitMS, cause }) =>
        out.progress(
          `${address}: ${failureOf(cause).message}; again in ${(waitMS / 1000).toFixed(1)} s`,
        ),
    });
  };
  return {
    args: positional(command, positionals),
    options,
    out,
    env,
    signal,
    profile,
    server,
    admin,
  };
};

const unknown = (words: readonly string[]): CommandError => {
  const object = words[0] ?? '';
  const near = COMMANDS.filter(({ name }) => name.split(' ')[0] === object).map(
    ({ name }) => `  ${name}`,
  );
  return new CommandError(
    'usage',
    `unknown command '${words.join(' ')}'`,
    near.length > 0 ? near : ['  tributary help'],
  );
};

const help = (topic: readonly string[]): string => {
  if (topic.length === 0) return overview(COMMANDS);
  if (topic[0] === 'exit-codes') return exitCodeHelp();
  const name = topic.join(' ');
  const found = COMMANDS.filter(
    (command) => command.name === name || command.name.startsWith(`${name} `),
  );
  if (found.length === 0) throw unknown(topic);
  return found.map(commandHelp).join('\n\n');
};

/** Runs one command line and gives its exit code. Writes nothing but through `world`. */
export const runCommandLine = async (argv: readonly string[], world: World): Promise<number> => {
  const json = argv.includes('--json');
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  const words = argv.filter((word) => !word.startsWith('-'));
  const out = outputTo(json, world.stdout, world.stderr, world.terminal);
  try {
    if (argv.includes('--version') && words.length === 0) {
      world.stdout(`tributary ${manifest.version}\n`);
      return exitCode('ok');
    }
    if (words.length === 0 || words[0] === 'help') {
      world.stdout(`${help(words.slice(1))}\n`);
      return exitCode(words.length === 0 && !wantsHelp ? 'usage' : 'ok');
    }
    const command = COMMANDS.find(({ name }) =>
      name.split(' ').every((word, i) => argv[i] === word),
    );
    if (!command) {
      if (wantsHelp) {
        world.stdout(`${help(words)}\n`);
        return exitCode('ok');
      }
      throw unknown(words.slice(0, 2));
    }
    if (wantsHelp) {
      world.stdout(`${commandHelp(command)}\n`);
      return exitCode('ok');
    }
    const rest = argv.slice(command.name.split(' ').length);
    const context = contextOf(command, rest, world, out);
    await reachOut(context);
    return exitCode((await command.run(context)) ?? 'ok');
  } catch (error) {
    if (world.signal.aborted) return exitCode('interrupted');
    const failure = failureOf(error);
    out.failure(failure);
    return exitCode(failure.exit);
  }
};
