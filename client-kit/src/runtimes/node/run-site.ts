import { runSite as serve } from '../../site.ts';
import type { SiteOptions } from '../../site.ts';
import { AuditLog } from './audit-log.ts';
import { FileStore } from './file-store.ts';

export interface NodeSiteOptions extends Omit<SiteOptions, 'audit' | 'store'> {
  /** The site's own folder. One process at a time uses it. */
  readonly dataDir: string;
  /** File that gets a line for each body before it leaves; see {@link AuditLog}. */
  readonly audit?: string;
  /** Threads for ONNX Runtime's WASM; takes effect before its first session. One gives the same bytes on any machine. */
  readonly threads?: number;
}

/** {@link serve runSite} for Node: a folder for storage, and `onnxruntime-web` where nothing else is given. */
export const runSite = async ({
  dataDir,
  threads = 1,
  audit: file,
  ...options
}: NodeSiteOptions): Promise<void> => {
  const audit = file === undefined ? undefined : await AuditLog.open(file);
  try {
    await serve({
      ort: async () => {
        const ort = await import('onnxruntime-web');
        ort.env.wasm.numThreads = threads;
        return ort;
      },
      ...options,
      audit: audit?.record,
      store: new FileStore(dataDir),
    });
  } finally {
    await audit?.close();
  }
};
