import type { Command, OptionSpec } from './command.ts';
import { GLOBAL_OPTIONS } from './command.ts';
import { EXIT_CODES } from './exit-code.ts';

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
};

const optionRows = (options: Readonly<Record<string, OptionSpec>>): [string, string][] =>
  Object.entries(options).map(([name, { short, value, help }]) => [
    `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`,
    help,
  ]);

/** All commands, a line each. */
export const overview = (commands: readonly Command[]): string =>
  [
    'tributary: federated learning at the edge. Data stays where it is; models travel.',
    '',
    'Usage: tributary <object> <verb> [arguments] [options]',
    '',
    columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'Options of every command:',
    columns(optionRows(GLOBAL_OPTIONS)),
    '',
    'More: tributary help <object> [<verb>], tributary help exit-codes',
  ].join('\n');

/** One command: usage, options, details. */
export const commandHelp = ({ name, summary, args, options, details }: Command): string => {
  const slots = args.map((slot) =>
    slot.startsWith('[') ? `[<${slot.slice(1, -1)}>]` : `<${slot}>`,
  );
  const rows = optionRows(options);
  return [
    `tributary ${[name, ...slots].join(' ')}${rows.length > 0 ? ' [options]' : ''}`,
    `  ${summary}`,
    ...(rows.length > 0 ? ['', columns(rows)] : []),
    ...(details ? ['', details] : []),
  ].join('\n');
};

/** Exit codes with their meanings. */
export const exitCodeHelp = (): string =>
  [
    'Exit codes:',
    columns(Object.values(EXIT_CODES).map(([code, text]) => [String(code).padStart(3), text])),
  ].join('\n');
