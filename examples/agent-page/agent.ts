// The page that trains, in a frame of the site's. After the # stand the site's origin and name.
import { FlareAgent, PortAgentPipe } from '@tributary/client-kit/agent';
import { accuracy, dataOf, train } from '../softmax/softmax.ts';

const { site = '', name = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const data = dataOf(name);

const { port1, port2 } = new MessageChannel();
parent.postMessage('agent', site, [port2]);
const agent = new FlareAgent({ pipe: new PortAgentPipe(port1) });
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
document.title = 'The job has ended';
