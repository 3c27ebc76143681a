import { createInterface } from 'node:readline/promises';
import { Connection } from '../../../client-kit/src/connection.ts';
import type { Command } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import { writeProfile } from '../profile.ts';
import { ServerApi } from '../server-api.ts';

/** A line from stdin: typed by a person, or piped in. */
const readToken = async (ask: boolean): Promise<string> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  if (ask) process.stderr.write('Admin token: ');
  try {
    for await (const line of lines) return line.trim();
    return '';
  } finally {
    lines.close();
  }
};

export const login: Command = {
  name: 'login',
  summary: 'Keep a server and its admin token in the profile, after trying them',
  args: ['[server]'],
  options: {},
  details: 'Without --token or TRIBUTARY_TOKEN the token is read from stdin.',
  async run({ args, options, out, env, profile, server, signal }) {
    const address = args['server'] ?? (await server());
    if (!URL.canParse(address)) {
      throw new CommandError(
        'usage',
        `expected a URL like https://fl.example.org, got '${address}'`,
      );
    }
    const given = options.text('token') ?? env['TRIBUTARY_TOKEN'];
    const token = given ?? (await readToken(process.stdin.isTTY));
    if (!token) throw new CommandError('auth', 'no token was given');
    await new ServerApi(new Connection({ server: address, token }), signal).call('listJobs', {
      query: { limit: 1 },
    });
    await writeProfile(profile, { server: address, token });
    out.result({ server: address, profile }, `Logged in to ${address}; kept in ${profile}`);
  },
};
