// Your training system: it knows no server, only the pipe to the site beside it.
import { FlareAgent } from '@tributary/client-kit/agent';
import { agentPipe } from '@tributary/client-kit/agent/node';
import { accuracy, dataOf, train } from '../softmax/softmax.ts';

const { NAME = 'site-1', AGENT = 'unix:agent.sock' } = process.env;
const data = dataOf(NAME);

const agent = new FlareAgent({ pipe: agentPipe(AGENT) });
agent.start();
for await (const task of agent.tasks()) {
  const { params } = task.model;
  if (!params) throw new Error(`${task.taskName} came without a model`);
  const metrics = accuracy(params, data); // of the model as it came
  if (task.taskName === 'validate') {
    await agent.submitResult({ metrics });
  } else {
    const steps = train(params, data);
    await agent.submitResult({ params, metrics, meta: { NUM_STEPS_CURRENT_ROUND: steps } });
  }
}
