import type { ParseArgsOptionDescriptor } from 'node:util';
import type { Connection } from '../../client-kit/src/connection.ts';
import type { ExitName } from './exit-code.ts';
import type { Options } from './options.ts';
import type { Output } from './output.ts';

/** One option of a command, as `node:util` parses it, and what help says about it. */
export interface OptionSpec {
  readonly type: ParseArgsOptionDescriptor['type'];
  readonly short?: string;
  readonly multiple?: boolean;
  /** Placeholder in help; flags have none. */
  readonly value?: string;
  readonly help: string;
}

/** What a command is given: its arguments and options, and the world. */
export interface Context {
  /** Positional arguments by name; an optional one may be absent. */
  readonly args: Readonly<Record<string, string>>;
  readonly options: Options;
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Where `login` writes and the others read. */
  readonly profile: string;
  /** Server address from flag, environment or profile. Throws CommandError where none gives one. */
  readonly server: () => Promise<string>;
  /** Connection with the admin's token. Throws CommandError without server or token. */
  readonly admin: () => Promise<Connection>;
}

/** A command of the form `object verb`: one file each, one line in the registry. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Names of positional arguments, in order; `[name]` is optional. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Further text of `help`. */
  readonly details?: string;
  /** Gives the exit code where it isn't `ok`; throws on failure. */
  readonly run: (context: Context) => Promise<ExitName | void>;
}

/** Options that every command takes. */
export const GLOBAL_OPTIONS = {
  server: { type: 'string', value: 'URL', help: 'server (or TRIBUTARY_SERVER, or the profile)' },
  token: {
    type: 'string',
    value: 'TOKEN',
    help: 'admin token (or TRIBUTARY_TOKEN, or the profile)',
  },
  profile: {
    type: 'string',
    value: 'FILE',
    help: 'profile file (~/.config/tributary/profile.json)',
  },
  ca: {
    type: 'string',
    value: 'FILE',
    help: 'certificates (PEM) of a private CA to trust as well (or NODE_EXTRA_CA_CERTS)',
  },
  json: { type: 'boolean', help: 'one JSON value on stdout; progress goes to stderr' },
  help: { type: 'boolean', short: 'h', help: 'explain the command' },
} as const satisfies Readonly<Record<string, OptionSpec>>;
