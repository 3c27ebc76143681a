// An agent that adds one, in TypeScript: address of the pipe, ledger. It notes what it begins, and what the site has taken.
import { appendFileSync } from 'node:fs';
import { FlareAgent } from '../../client-kit/src/agent/flare-agent.ts';
import { agentPipe } from '../../client-kit/src/agent/pipes/address.ts';

const [address = '', ledger = ''] = process.argv.slice(2);
const note = (...words: string[]): void => appendFileSync(ledger, `${words.join(' ')}\n`);
const agent = new FlareAgent({
  pipe: agentPipe(address),
  resendInterval: 0.05,
  heartbeatInterval: 0.2,
});
agent.start();
for await (const task of agent.tasks()) {
  const nonce = crypto.randomUUID();
  note('begun', task.taskId, nonce);
  const params = new Map(task.model.params);
  for (const [name, tensor] of params) {
    const data = (tensor.data as Float32Array).map((value) => value + 1);
    params.set(name, { ...tensor, data });
  }
  await new Promise((resolve) => setTimeout(resolve, 60 * Math.random()));
  const taken = await agent.submitResult({ params, meta: { nonce } });
  if (taken) note('taken', task.taskId, nonce);
}
