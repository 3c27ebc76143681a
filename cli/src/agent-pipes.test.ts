import { expect, test } from 'vitest';
import { agentExecutors } from './agent-pipes.ts';
import { CommandError } from './exit-code.ts';

test('without agents there is no task-exchanger', () => {
  expect(agentExecutors([], undefined)).toEqual({});
});

test('agents are pipes, with names or without', () => {
  const executors = agentExecutors(['unix:/run/a.sock', 'gpu-box=dir:/srv/agent'], 'secret');
  expect(Object.keys(executors)).toEqual(['task-exchanger']);
});

test.each([
  [['train.sock'], /unix:PATH/],
  [['x=http://10.0.0.1'], /unix:PATH/],
  [['unix:/a', 'unix:/b'], /two agents/],
])('%j is refused', (agents, words) => {
  expect(() => agentExecutors(agents, undefined)).toThrow(CommandError);
  expect(() => agentExecutors(agents, undefined)).toThrow(words);
});
