import { homedir } from 'node:os';
import { join } from 'node:path';
import { matchesAny } from '../../../core/protocol/glob.ts';
import type { Approve } from '../../../client-kit/src/policy/approval.ts';
import { sitePolicy } from '../../../client-kit/src/policy/site-policy.ts';
import { AuditLog } from '../../../client-kit/src/runtimes/node/audit-log.ts';
import { FileStore } from '../../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../../client-kit/src/site.ts';
import { agentExecutors } from '../agent-pipes.ts';
import type { Command } from '../command.ts';
import { readData } from '../data/registry.ts';
import { plainLine } from '../output.ts';
import { policyFile, requiredFilters } from '../policy-file.ts';
import { proposalText } from '../proposal-text.ts';
import { Questions } from '../questions.ts';
import { siteLine } from '../site-text.ts';

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
      help: 'npz, IDX, CSV or a folder of images by class (needed, but with --agent)',
    },
    agent: {
      type: 'string',
      multiple: true,
      value: '[NAME=]ADDRESS',
      help: 'where an agent does tasks: unix:PATH, http://127.0.0.1:PORT or dir:PATH; repeatable',
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
    policy: {
      type: 'string',
      value: 'FILE',
      help: 'what jobs may do here: a JSON document, see docs/for-it.md',
    },
    approve: { type: 'boolean', help: 'show each job in plain words and wait for yes, once a job' },
    yes: { type: 'boolean', help: 'with --approve: show it and go on' },
    audit: {
      type: 'string',
      value: 'FILE',
      help: 'record of every body sent (audit.jsonl in the state folder)',
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
    const policyPath = options.text('policy');
    const policy = policyPath === undefined ? undefined : await policyFile(policyPath);
    const label = options.text('label');
    const classes = options.text('classes')?.split(',');
    const executors = agentExecutors(options.texts('agent'), env['TRIBUTARY_AGENT_TOKEN']);
    const agents = Object.keys(executors).length > 0;
    const path = agents ? options.text('data') : options.required('data');
    const loaded =
      path === undefined
        ? undefined
        : await readData(path, {
            ...(label !== undefined && { label }),
            ...(classes && { classes }),
            numbers: options.flag('numbers'),
          });
    if (loaded) {
      const [count, ...example] = loaded.x.shape;
      out.progress(`${count} examples [${example.join(', ')}] from ${loaded.format}`);
    }
    if (loaded?.classes)
      out.progress(`classes: ${loaded.classes.map((c, i) => `${i} ${c}`).join(', ')}`);
    const ort = await import('onnxruntime-web');
    ort.env.wasm.numThreads = options.number('threads', { min: 1, integer: true }) ?? 1;
    const globs = options.texts('job');
    const state = options.text('state') ?? stateFolder(env, name);
    const auditFile = options.text('audit') ?? join(state, 'audit.jsonl');
    const audit = await AuditLog.open(auditFile);
    const { lines, hash } = audit.head;
    out.progress(`record ${auditFile}: ${lines} lines, the last ${hash || '-'}`);
    const questions = new Questions(out.progress);
    const approve: Approve = async (job) => {
      out.progress(await proposalText(job, policy ? requiredFilters(policy) : []));
      if (!options.flag('yes')) return questions.ask(`take part in ${job.id}? (yes or no)`);
      out.progress(`taking part in ${job.id}, as --yes says`);
      return true;
    };
    let jobs = 0;
    try {
      await runSite({
        server: await server(),
        name,
        enrolment: options.text('enrolment') ?? env['TRIBUTARY_ENROLMENT'],
        store: new FileStore(state),
        ...(loaded && { data: () => loaded }),
        ort,
        executors,
        signal,
        once: options.flag('once'),
        audit: audit.record,
        ...(policy && { policy: sitePolicy(policy) }),
        ...(options.flag('approve') && { approve }),
        ...(globs.length > 0 && { wants: (job: { name: string }) => matchesAny(globs, job.name) }),
        onEvent: (event) => {
          if (event.type === 'job-ended') jobs++;
          const line = siteLine(event);
          if (line !== '') out.progress(plainLine(line));
        },
      });
    } finally {
      questions.close();
      await audit.close();
    }
    out.result({ site: name, jobs }, `${jobs} job(s) served`);
  },
};
