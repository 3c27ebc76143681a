import { runSite as serve } from '../../site.ts';
import type { SiteOptions } from '../../site.ts';
import { FileStore } from './file-store.ts';

export interface NodeSiteOptions extends Omit<SiteOptions, 'store'> {
  /** The site's own folder. One process at a time uses it. */
  readonly dataDir: string;
  /** Threads for ONNX Runtime's WASM; takes effect before its first session. One gives the same bytes on any machine. */
  readonly threads?: number;
}

/** {@link serve runSite} for Node: a folder for storage, and `onnxruntime-web` where nothing else is given. */
export const runSite = ({ dataDir, threads = 1, ...options }: NodeSiteOptions): Promise<void> =>
  serve({
    ort: async () => {
      const ort = await import('onnxruntime-web');
      ort.env.wasm.numThreads = threads;
      return ort;
    },
    ...options,
    store: new FileStore(dataDir),
  });
