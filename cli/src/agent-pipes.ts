import { sitePipe } from '../../client-kit/src/agent/pipes/address.ts';
import { taskExchanger } from '../../client-kit/src/agent/task-exchanger.ts';
import type { ExecutorKind } from '../../client-kit/src/assignment.ts';
import { CommandError } from './exit-code.ts';

/**
 * The executors of a site with agents: each of `--agent [NAME=]ADDRESS` is a pipe, under the name that jobs use (`agent`
 * where none is given). `token`: what agents show at a port. Throws CommandError on an address that is none.
 */
export const agentExecutors = (
  agents: readonly string[],
  token: string | undefined,
): Readonly<Record<string, ExecutorKind>> => {
  if (agents.length === 0) return {};
  const pipes = agents.map((text) => {
    const [, name = 'agent', address = text] = /^([a-z0-9][a-z0-9._-]*)=(.+)$/s.exec(text) ?? [];
    try {
      return [name, sitePipe(address, { token })] as const;
    } catch (error) {
      throw new CommandError('usage', `option --agent: ${(error as Error).message}`);
    }
  });
  const names = pipes.map(([name]) => name);
  if (new Set(names).size < names.length)
    throw new CommandError('usage', 'option --agent: two agents of one name');
  return { 'task-exchanger': taskExchanger(Object.fromEntries(pipes)) };
};
