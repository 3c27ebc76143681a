// A site whose tasks are done by an agent, in a process of its own: agent.ts beside this, or a program in another language.
import { taskExchanger } from '@tributary/client-kit/agent';
import { sitePipe } from '@tributary/client-kit/agent/node';
import { runSite } from '@tributary/client-kit/node';

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
const { AGENT = 'unix:agent.sock' } = process.env;

await runSite({
  server: SERVER,
  name: NAME,
  enrolment: ENROLMENT,
  dataDir: `state-${NAME}`,
  once: true,
  app: taskExchanger({ agent: sitePipe(AGENT) }), // for jobs that say 'app'; under any other name in `executors`
});
