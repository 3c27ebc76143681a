// A page that is a site. Its tasks are done by another page, of another origin, in a frame.
import { PortSitePipe, taskExchanger } from '@tributary/client-kit/agent';
import { runSite } from '@tributary/client-kit/browser';

const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const { server = '', name = '', enrolment = '', agent = '' } = given;

const pipe = new PortSitePipe();
addEventListener('message', ({ origin, ports: [port] }) => {
  // Again each time that page is loaded.
  if (origin === new URL(agent).origin && port) pipe.attach(port);
});
const frame = document.createElement('iframe');
frame.src = agent;
document.body.append(frame);

await runSite({ server, name, enrolment, app: taskExchanger({ agent: pipe }), once: true });
document.title = 'The job has ended';
