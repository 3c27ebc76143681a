import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A line of the record: one body that left, or was about to. */
export interface AuditEntry {
  /** From 1. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly method: string;
  /** The whole URL. */
  readonly to: string;
  readonly job?: string;
  readonly task?: string;
  readonly filters?: readonly string[];
  /** Content-Range, of a body in parts. */
  readonly range?: string;
  readonly bytes: number;
  /** SHA-256 of those bytes. */
  readonly digest: string;
  /** SHA-256 of the line before, without its newline; empty in the first. */
  readonly previous: string;
}

/** What the record's end is noted as, beside it: so that lines missing at the end show too. */
export interface AuditHead {
  readonly lines: number;
  readonly hash: string;
}

/** A record read from its beginning. */
export interface AuditReading {
  readonly entries: number;
  /** Lines that a crash cut short: nothing was sent for them. */
  readonly torn: number;
  /** Number and SHA-256 of the last line. */
  readonly head: AuditHead;
  readonly size: number;
  /** The file doesn't end with a newline. */
  readonly open: boolean;
  /** What is wrong, a sentence each; none in a record that is as it was written. */
  readonly faults: readonly string[];
}

export const headFile = (file: string): string => `${file}.head`;

export const hashOf = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

/**
 * Reads a record, checks that each line follows the one before and that the noted end is there, and gives `each` its
 * entries. A file that isn't there is an empty record.
 */
export const readAudit = async (
  file: string,
  each: (entry: AuditEntry) => void = () => undefined,
): Promise<AuditReading> => {
  const noted = await headOf(file);
  const faults: string[] = [];
  let [entries, torn, lines, size, hash, seq] = [0, 0, 0, 0, '', 0];
  let found = false;
  let open = false;
  for await (const { bytes, ended } of linesOf(file)) {
    lines++;
    size += bytes.length + (ended ? 1 : 0);
    open = !ended;
    const entry = entryOf(bytes);
    if (!entry) torn++;
    else {
      if (entry.previous !== hash || entry.seq !== seq + 1) {
        const before = lines === 1 ? 'is not the first' : `does not follow line ${lines - 1}`;
        faults.push(`line ${lines} (number ${entry.seq}) ${before}: lines were changed or removed`);
      }
      entries++;
      seq = entry.seq;
      each(entry);
    }
    hash = hashOf(bytes);
    if (noted?.lines === lines && noted.hash === hash) found = true;
  }
  if (noted && !found) {
    const end = `the noted end (line ${noted.lines}, ${noted.hash}) is not there`;
    faults.push(`${end}: lines were changed, or removed at the end`);
  }
  // The first line may be there and a crash have come before its note.
  if (!noted && lines > 1) faults.push(`${headFile(file)}, which notes the end, is missing`);
  return { entries, torn, head: { lines, hash }, size, open, faults };
};

const headOf = async (file: string): Promise<AuditHead | undefined> => {
  try {
    return JSON.parse(await readFile(headFile(file), 'utf8')) as AuditHead;
  } catch {
    return undefined;
  }
};

const entryOf = (line: Uint8Array): AuditEntry | undefined => {
  try {
    const value = JSON.parse(Buffer.from(line).toString()) as AuditEntry;
    return Number.isInteger(value.seq) && typeof value.previous === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
};

const NEWLINE = 10;

/** Lines as bytes, because their hash is of bytes. */
async function* linesOf(file: string): AsyncGenerator<{ bytes: Uint8Array; ended: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
        yield { bytes: rest.subarray(0, end), ended: true };
        rest = rest.subarray(end + 1);
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (rest.length > 0) yield { bytes: rest, ended: false };
}
