import { stat } from 'node:fs/promises';
import { readAudit } from '../../../client-kit/src/runtimes/node/audit-chain.ts';
import type { AuditEntry } from '../../../client-kit/src/runtimes/node/audit-chain.ts';
import type { Command } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import { bytesText, plainLine, table } from '../output.ts';

/** Bodies of one kind, of one job, to one server. */
interface Sum {
  readonly job: string | null;
  /** The last part of the address: result, metrics, sites (enrolling). */
  readonly what: string;
  readonly server: string;
  readonly filters: readonly string[];
  count: number;
  bytes: number;
}

export const siteAudit: Command = {
  name: 'site audit',
  summary: 'Check a site’s record of what it sent, and sum it',
  args: ['audit.jsonl'],
  options: {
    head: {
      type: 'string',
      value: 'HASH',
      help: 'hash of the last line, as kept elsewhere: the record must hold it',
    },
  },
  details:
    'Each line holds the hash of the line before, and FILE.head notes the last one: a line that was changed, removed or put\n' +
    'in shows (exit code 8). Who can write both files could make a whole new record: `site run` logs the hash when it starts,\n' +
    'for a log kept elsewhere, and --head looks for it.',
  async run({ args, options, out }) {
    const file = args['audit.jsonl'] ?? '';
    await stat(file);
    const sums = new Map<string, Sum>();
    const wanted = options.text('head');
    const last = { first: '', time: '' };
    let seen = wanted === undefined;
    const reading = await readAudit(file, (entry) => {
      add(sums, entry);
      last.first ||= entry.time;
      last.time = entry.time;
      if (entry.previous === wanted) seen = true;
    });
    seen ||= reading.head.hash === wanted;
    const faults = [
      ...reading.faults,
      ...(seen ? [] : [`no line of the record has the hash ${wanted}`]),
    ];
    if (faults.length > 0)
      throw new CommandError('data', `${file} is not as it was written`, faults);
    const rows = [...sums.values()];
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    const { entries, torn, head } = reading;
    out.result(
      { file, entries, torn, bytes, head: head.hash, sums: rows },
      [
        `${file}: ${entries} bodies, ${bytesText(bytes)}, ${last.first || '-'} to ${last.time || '-'}`,
        ...(torn > 0 ? [`${torn} line(s) cut short by a crash: nothing was sent for them`] : []),
        `whole; last line ${head.hash || '-'}`,
        '',
        table(
          ['JOB', 'WHAT', 'BODIES', 'BYTES', 'FILTERS', 'TO'],
          rows.map(({ job, what, count, bytes: sent, filters, server }) =>
            [job ?? '-', what, String(count), String(sent), filters.join(' ') || '-', server].map(
              plainLine,
            ),
          ),
        ),
      ].join('\n'),
    );
  },
};

const add = (sums: Map<string, Sum>, { job, to, filters = [], bytes }: AuditEntry): void => {
  const { origin: server, pathname } = new URL(to);
  const what = pathname.split('/').at(-1) ?? '';
  const key = JSON.stringify([job, what, server, filters]);
  const sum = sums.get(key) ?? { job: job ?? null, what, server, filters, count: 0, bytes: 0 };
  sum.count++;
  sum.bytes += bytes;
  sums.set(key, sum);
};
