// The types of the kit's agents: this file is compiled, and never run. A line that must not compile says so.
import {
  FlareAgent,
  PortAgentPipe,
  PortSitePipe,
  taskExchanger,
  windowPort,
} from '../../client-kit/src/agent.ts';
import type { AgentPipe, AgentTask, SitePipe } from '../../client-kit/src/agent.ts';
import { agentPipe, httpSitePipe, sitePipe } from '../../client-kit/src/agent-node.ts';
import { runSite } from '../../client-kit/src/node.ts';

declare const port: MessagePort;
declare const worker: Worker;

// The site's end
const site: SitePipe = sitePipe('unix:agent.sock', { token: 'secret' });
void httpSitePipe({ port: 8765 });
// @ts-expect-error A socket or a port.
void httpSitePipe({ url: 'http://127.0.0.1:8765' });
const ports = new PortSitePipe();
ports.attach(port);
ports.attach(worker);
ports.attach(windowPort(parent, 'https://train.example'));
const common = { server: 'https://fl.example', name: 'a', dataDir: 'state' };
void runSite({
  ...common,
  executors: { 'task-exchanger': taskExchanger({ agent: site, page: ports }) },
});
void runSite({ ...common, app: taskExchanger({ agent: site }) });
// @ts-expect-error Pipes have names.
void taskExchanger(site);
// @ts-expect-error The agent's end isn't the site's.
void taskExchanger({ agent: agentPipe('unix:agent.sock') });

// The agent's
const pipe: AgentPipe = new PortAgentPipe(port);
const agent = new FlareAgent({ pipe, heartbeatInterval: 5, once: false });
void (agent.getTask(5) satisfies Promise<AgentTask | undefined>);
void (agent.submitResult({ metrics: { loss: 1 } }) satisfies Promise<boolean>);
void agent.submitResult({}, 'EXECUTION_EXCEPTION');
// @ts-expect-error No return code of FLARE's.
void agent.submitResult({}, 'FAILED');
void agent.log('loss', 0.5, { step: 3 });
// @ts-expect-error A pipe is needed.
void new FlareAgent({});
