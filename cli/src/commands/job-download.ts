import { writeFile } from 'node:fs/promises';
import type { Command } from '../command.ts';
import { digestOf } from '../digest.ts';
import { bytesText } from '../output.ts';
import { ServerApi } from '../server-api.ts';

export const jobDownload: Command = {
  name: 'job download',
  summary: 'A model of a job as a safetensors file',
  args: ['job', '[model]'],
  options: {
    out: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'where to write it (<job>-<model>.safetensors)',
    },
  },
  details: "model: global (default), best, a site's name, or a digest.",
  async run({ args, options, out, admin, signal }) {
    const id = args['job'] ?? '';
    const name = args['model'] ?? 'global';
    const file = options.text('out') ?? `${id}-${name}.safetensors`;
    const bytes = await new ServerApi(await admin(), signal).model(id, name);
    await writeFile(file, bytes);
    const digest = digestOf(bytes);
    out.result(
      { file, digest, bytes: bytes.length },
      `${file}  ${bytesText(bytes.length)}  ${digest}`,
    );
  },
};
