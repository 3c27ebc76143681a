import { uploadFile } from '../blob-upload.ts';
import type { Command } from '../command.ts';
import { readJobFiles } from '../job-files.ts';
import { bytesText } from '../output.ts';
import { ServerApi } from '../server-api.ts';
import { watchOptions, watchToTheEnd } from './job-watch.ts';

export const jobSubmit: Command = {
  name: 'job submit',
  summary: 'Upload what a job spec names and submit it',
  args: ['spec.json'],
  options: { watch: { type: 'boolean', help: 'then watch it to the end' }, ...watchOptions },
  details: [
    'Blobs in the spec (`model`, `programs.*.blob`) are digests of files that lie beside it or are on the server',
    'already, or names of such files. tributary model prepare writes a folder that is ready for this.',
  ].join('\n'),
  async run(context) {
    const { args, options, out, admin, signal } = context;
    const connection = await admin();
    const { spec, blobs } = await readJobFiles(args['spec.json'] ?? '');
    for (const path of blobs.values()) {
      const { digest, bytes, sent } = await uploadFile(connection, path, { signal });
      out.progress(
        `${sent ? 'uploaded' : 'there already'}  ${path}  ${bytesText(bytes)}  ${digest}`,
      );
    }
    const job = await new ServerApi(connection, signal).call('createJob', {}, spec);
    if (options.flag('watch')) {
      out.progress(`job ${job.id}`);
      return watchToTheEnd(context, job.id);
    }
    out.result(job, job.id);
    return 'ok';
  },
};
