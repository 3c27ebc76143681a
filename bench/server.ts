import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ADMIN, startServer } from '../scripts/bare-server.ts';

/** A running server: bare workerd on the checked-in configuration, its state in a folder of its own. */
export interface Server {
  readonly port: number;
  readonly adminToken: string;
  /** Resident memory of the process in MB (2^20 bytes): now, and the most since it started. */
  memory(): Promise<{ readonly rss: number; readonly peak: number }>;
  /** Milliseconds of processor time that its threads have used. */
  cpu(): Promise<number>;
}

/** Runs the server for as long as `use` takes; then it and its data are gone. */
export async function withServer<T>(use: (server: Server) => Promise<T>): Promise<T> {
  const server = await startServer();
  const proc = `/proc/${server.pid()}`;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const memory = async () => {
    const text = await readFile(join(proc, 'status'), 'utf8');
    const read = (name: string): number =>
      Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]) / 1024;
    return { rss: read('VmRSS'), peak: read('VmHWM') };
  };
  const cpu = async (): Promise<number> => {
    // Nanoseconds on a processor come first; a thread may end while we look.
    const each = (await readdir(join(proc, 'task'))).map((id) =>
      readFile(join(proc, 'task', id, 'schedstat'), 'utf8').then(parseFloat, () => 0),
    );
    return (await Promise.all(each)).reduce((a, b) => a + b, 0) / 1e6;
  };
  try {
    return await use({ port: server.port, adminToken: ADMIN, memory, cpu });
  } finally {
    await server.stop();
  }
}
