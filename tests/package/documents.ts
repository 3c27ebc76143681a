import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../scripts/build-worker.ts';

const FILE = /^```\w+\n(?:\/\/|<!--) (\S+)/;

/** The files of a document: blocks of code that begin with a name, by name. A reader copies them, and so do we. */
export async function filesOf(document: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(ROOT, document), 'utf8');
  const blocks = text.match(/^```\w+\n[^]*?^```$/gm) ?? [];
  return new Map(
    blocks.flatMap((block) => {
      const [, name] = FILE.exec(block) ?? [];
      return name === undefined ? [] : [[name, block.slice(block.indexOf('\n') + 1, -3)]];
    }),
  );
}
