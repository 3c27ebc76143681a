// A page that adds one, and is loaded anew in the middle of the first task that it is given.
import { FlareAgent, PortAgentPipe } from '../../../client-kit/src/agent.ts';

const { site = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const { port1, port2 } = new MessageChannel();
parent.postMessage('agent', site, [port2]);
const agent = new FlareAgent({ pipe: new PortAgentPipe(port1), resendInterval: 0.1 });
agent.start();
for await (const task of agent.tasks()) {
  if (task.attempt === 1 && task.model.currentRound === 0 && task.taskName === 'train') {
    location.reload();
    await new Promise(() => undefined);
  }
  const params = new Map(task.model.params);
  for (const [name, tensor] of params)
    params.set(name, { ...tensor, data: (tensor.data as Float32Array).map((value) => value + 1) });
  const metrics = { attempt: task.attempt };
  await agent.submitResult(task.taskName === 'train' ? { params, metrics } : { metrics });
}
document.title = 'The job has ended';
