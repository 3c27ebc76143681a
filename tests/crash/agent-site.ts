// A site whose tasks are done by an agent: server, state folder, address of the pipe. Lives until it is killed or the job ends.
import { sitePipe } from '../../client-kit/src/agent/pipes/address.ts';
import { taskExchanger } from '../../client-kit/src/agent/task-exchanger.ts';
import { FileStore } from '../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../client-kit/src/site.ts';

const [server = '', state = '', address = ''] = process.argv.slice(2);
const store = new FileStore(state);
// As long filters on a large model would take: the time in which a result that was taken could still be lost.
const write = store.write.bind(store);
store.write = async (key, ...rest) => {
  if (key.startsWith('outbox/')) await new Promise((resolve) => setTimeout(resolve, 40));
  return write(key, ...rest);
};
await runSite({
  server,
  name: 'hospital-a',
  enrolment: 'ticket',
  store,
  executors: { 'task-exchanger': taskExchanger({ agent: sitePipe(address) }) },
  once: true,
});
