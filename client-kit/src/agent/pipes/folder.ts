import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../../backoff.ts';
import {
  decodeMessage,
  encodeMessage,
  JSON_TYPE,
  MessageError,
  SAFETENSORS_TYPE,
} from '../message.ts';
import type { Message } from '../message.ts';
import type { AgentPipe, Answerer, SitePipe } from '../pipe.ts';

/**
 * Files in a folder that both ends see, also over a network share: a request is a file in `requests`, its answer one of
 * the same name in `answers`. A file appears whole, by renaming; whoever reads it deletes it. What dies with a process is
 * asked again.
 */
export interface FolderPipeOptions {
  /** How often to look for files. FLARE's FilePipe: read_interval. */
  readonly readIntervalMS?: number;
}

const REQUESTS = 'requests';
const ANSWERS = 'answers';
const KINDS: readonly (readonly [suffix: string, type: string])[] = [
  ['.json', JSON_TYPE],
  ['.safetensors', SAFETENSORS_TYPE],
];

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Writes a message under `name` and the suffix of its kind, whole or not at all. */
const post = async (folder: string, name: string, message: Message): Promise<void> => {
  const { type, parts } = encodeMessage(message);
  const suffix = KINDS.find(([, kind]) => kind === type)?.[0] ?? '';
  const unfinished = join(folder, `.${name}-${crypto.randomUUID()}`);
  const file = await open(unfinished, 'wx', 0o600);
  try {
    for (const part of parts) await file.writeFile(part);
  } finally {
    await file.close();
  }
  await rename(unfinished, join(folder, name + suffix));
};

const read = async (folder: string, file: string): Promise<Message> => {
  const type = KINDS.find(([suffix]) => file.endsWith(suffix))?.[1] ?? '';
  return decodeMessage(type, await readFile(join(folder, file)));
};

const nameOf = (file: string): string | undefined => {
  const suffix = KINDS.find(([each]) => file.endsWith(each))?.[0];
  return suffix === undefined || file.startsWith('.') ? undefined : file.slice(0, -suffix.length);
};

const prepare = async (folder: string): Promise<void> => {
  for (const inner of [REQUESTS, ANSWERS])
    await mkdir(join(folder, inner), { recursive: true, mode: 0o700 });
};

/** A site's end of a folder; made if it isn't there. */
export const folderSitePipe = (
  folder: string,
  { readIntervalMS = 100 }: FolderPipeOptions = {},
): SitePipe => ({
  async open(answer) {
    await prepare(folder);
    const closing = new AbortController();
    const looking = look(folder, answer, readIntervalMS, closing.signal);
    return async () => {
      closing.abort(new Error('the pipe is closed'));
      await looking;
    };
  },
});

/** Takes up each request as it appears: a long one doesn't hold up the others. */
const look = async (
  folder: string,
  answer: Answerer,
  intervalMS: number,
  signal: AbortSignal,
): Promise<void> => {
  const requests = join(folder, REQUESTS);
  const busy = new Set<string>();
  const serve = async (file: string, name: string): Promise<void> => {
    try {
      let reply: Message;
      try {
        reply = await answer(await read(requests, file));
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        reply = { head: { status: 'rejected', reason: error.message } };
      }
      if (signal.aborted) return;
      await post(join(folder, ANSWERS), name, reply);
      await rm(join(requests, file), { force: true });
    } catch {
      // Given up by who asked, or a full disk: it is still there at the next look, or asked again.
    } finally {
      busy.delete(file);
    }
  };
  while (!signal.aborted) {
    for (const file of await readdir(requests).catch((): string[] => [])) {
      const name = nameOf(file);
      if (name === undefined || busy.has(file)) continue;
      busy.add(file);
      void serve(file, name);
    }
    await pause(intervalMS, signal).catch(() => undefined);
  }
};

/** An agent's end of a folder. What an earlier agent left there goes at the first question: its session is over. */
export const folderAgentPipe = (
  folder: string,
  { readIntervalMS = 100 }: FolderPipeOptions = {},
): AgentPipe => {
  const [requests, answers] = [join(folder, REQUESTS), join(folder, ANSWERS)];
  let ready: Promise<void> | undefined;
  const clear = async (): Promise<void> => {
    await prepare(folder);
    for (const each of [requests, answers]) {
      for (const file of await readdir(each)) await rm(join(each, file), { force: true });
    }
  };
  return {
    async ask(request, { signal, patienceMS }) {
      await (ready ??= clear().catch((error: unknown) => {
        ready = undefined;
        throw error;
      }));
      const name = crypto.randomUUID();
      await post(requests, name, request);
      try {
        const until = Date.now() + patienceMS;
        for (;;) {
          for (const [suffix] of KINDS) {
            try {
              return await read(answers, name + suffix);
            } catch (error) {
              if (!isMissing(error)) throw error;
            }
          }
          if (Date.now() >= until) throw new Error('the site does not answer');
          await pause(readIntervalMS, signal);
        }
      } finally {
        for (const [suffix] of KINDS) {
          await rm(join(requests, name + suffix), { force: true });
          await rm(join(answers, name + suffix), { force: true });
        }
      }
    },
  };
};
