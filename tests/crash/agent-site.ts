// A site whose tasks are done by an agent: server, state folder, address of the pipe. Lives until it is killed or the job ends.
import { sitePipe } from '../../client-kit/src/agent/pipes/address.ts';
import { taskExchanger } from '../../client-kit/src/agent/task-exchanger.ts';
import { FileStore } from '../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../client-kit/src/site.ts';

const [server = '', state = '', address = ''] = process.argv.slice(2);
await runSite({
  server,
  name: 'hospital-a',
  enrolment: 'ticket',
  store: new FileStore(state),
  executors: { 'task-exchanger': taskExchanger({ agent: sitePipe(address) }) },
  once: true,
});
