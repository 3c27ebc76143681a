import { homedir } from 'node:os';
import { join } from 'node:path';
import { matchesAny } from '../../../core/protocol/glob.ts';
import type { SiteEvent, TaskInfo } from '../../../client-kit/src/event.ts';
import { FileStore } from '../../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../../client-kit/src/site.ts';
import type { Command } from '../command.ts';
import { readData } from '../data/registry.ts';
import { bytesText } from '../output.ts';

const taskText = ({ name, workflow, round, totalRounds, owner }: TaskInfo): string =>
  `${workflow} round ${round + 1}/${totalRounds} ${name}${owner ? ` of ${owner}` : ''}`;

/** An event as a line; empty for those that would be too many. */
const lineOf = (event: SiteEvent): string => {
  switch (event.type) {
    case 'joined':
      return `site ${event.site} is waiting for jobs`;
    case 'job':
      return `job ${event.job}: ${event.name}`;
    case 'job-ended':
      return `job ${event.job} ended: ${event.reason}`;
    case 'task':
      return taskText(event.task);
    case 'received':
      return `  model ${bytesText(event.bytes)}${event.cached ? ', from the cache' : ''}`;
    case 'step':
      return event.step === event.steps
        ? `  ${event.steps} steps, loss ${event.loss.toFixed(4)}`
        : '';
    case 'evaluated': {
      const metrics = Object.entries(event.metrics).map(
        ([name, { sum, count }]) => `${name} ${(sum / count).toFixed(4)}`,
      );
      return `  ${event.model} model on ${event.examples} validation examples: ${metrics.join(', ')}`;
    }
    case 'failed':
      return `  failed: ${event.returnCode}: ${event.error.message}`;
    case 'aborted':
      return `  given up: ${event.reason}`;
    case 'submitted':
      return `  result ${event.status}, ${bytesText(event.bytes)}`;
    case 'storage-full':
    case 'retry':
      break;
  }
  return `  ${event.cause.message}; again in ${(event.waitMS / 1000).toFixed(1)} s`;
};

const stateFolder = (env: NodeJS.ProcessEnv, name: string): string =>
  join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'tributary', name);

export const siteRun: Command = {
  name: 'site run',
  summary: 'Be a site: serve jobs with the data of a folder, which never leave it',
  args: [],
  options: {
    data: {
      type: 'string',
      value: 'PATH',
      help: 'npz, IDX, CSV or a folder of images by class (needed)',
    },
    name: { type: 'string', value: 'NAME', help: "the site's name (needed)" },
    enrolment: {
      type: 'string',
      value: 'TOKEN',
      help: 'enrolment token, the first time (or TRIBUTARY_ENROLMENT)',
    },
    state: {
      type: 'string',
      value: 'DIR',
      help: 'token and unsent results (~/.local/state/tributary/NAME)',
    },
    job: {
      type: 'string',
      multiple: true,
      value: 'GLOB',
      help: 'serve only jobs of such names; repeatable',
    },
    once: { type: 'boolean', help: 'end after one job' },
    threads: { type: 'string', value: 'N', help: 'threads of ONNX Runtime (1)' },
    label: { type: 'string', value: 'COLUMN', help: 'label column of a CSV' },
    numbers: { type: 'boolean', help: 'labels are numbers to be met, not classes' },
    classes: {
      type: 'string',
      value: 'A,B,...',
      help: 'class names in order, the same at every site',
    },
  },
  details:
    'Ctrl-C stops it; work that was under way is done again, with the same result, when it next runs.',
  async run({ options, out, env, server, signal }) {
    const name = options.required('name');
    const label = options.text('label');
    const classes = options.text('classes')?.split(',');
    const loaded = await readData(options.required('data'), {
      ...(label !== undefined && { label }),
      ...(classes && { classes }),
      numbers: options.flag('numbers'),
    });
    const [count, ...example] = loaded.x.shape;
    out.progress(`${count} examples [${example.join(', ')}] from ${loaded.format}`);
    if (loaded.classes)
      out.progress(`classes: ${loaded.classes.map((c, i) => `${i} ${c}`).join(', ')}`);
    const ort = await import('onnxruntime-web');
    ort.env.wasm.numThreads = options.number('threads', { min: 1, integer: true }) ?? 1;
    const globs = options.texts('job');
    let jobs = 0;
    await runSite({
      server: await server(),
      name,
      enrolment: options.text('enrolment') ?? env['TRIBUTARY_ENROLMENT'],
      store: new FileStore(options.text('state') ?? stateFolder(env, name)),
      data: () => loaded,
      ort,
      signal,
      once: options.flag('once'),
      ...(globs.length > 0 && { wants: (job: { name: string }) => matchesAny(globs, job.name) }),
      onEvent: (event) => {
        if (event.type === 'job-ended') jobs++;
        const line = lineOf(event);
        if (line !== '') out.progress(line);
      },
    });
    out.result({ site: name, jobs }, `${jobs} job(s) served`);
  },
};
