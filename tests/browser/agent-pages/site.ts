// A page that is a site. Its tasks are done by another page, of another origin, in a frame.
import { PortSitePipe, taskExchanger } from '../../../client-kit/src/agent.ts';
import { runSite } from '../../../client-kit/src/browser.ts';

const {
  server = '',
  enrolment = '',
  agent = '',
} = Object.fromEntries(new URLSearchParams(location.search));
const pipe = new PortSitePipe();
addEventListener('message', ({ origin, ports: [port] }) => {
  // Once more each time that page is loaded.
  if (origin === new URL(agent).origin && port) pipe.attach(port);
});
const frame = document.createElement('iframe');
frame.src = agent;
document.body.append(frame);
await runSite({
  server,
  name: 'page',
  enrolment,
  once: true,
  executors: { 'task-exchanger': taskExchanger({ agent: pipe }) },
});
document.title = 'over';
