import { join } from 'node:path';
import { build, createServer, preview } from 'vite';
import { ROOT } from '../../scripts/build-worker.ts';
import type { Stranger } from '../package/stranger.ts';

/** A server of pages, on a port of its own. */
export interface PageHost {
  /** The page's origin, which the API's server allows. */
  readonly origin: string;
  /** The same pages on an origin that it does not. */
  readonly otherOrigin: string;
  readonly close: () => Promise<void>;
}

/** Serves the page of a stranger's project with Vite and the README's configuration: built for good, or as developed. */
export async function hostPage(
  { dir }: Stranger,
  mode: 'build' | 'development',
): Promise<PageHost> {
  const config = {
    root: dir,
    configFile: join(dir, 'vite.config.ts'),
    logLevel: 'warn',
  } as const;
  const listen = { host: '127.0.0.1', port: 0 };
  if (mode === 'build') await build(config);
  const server =
    mode === 'build'
      ? await preview({ ...config, preview: listen })
      : await createServer({
          ...config,
          // What the project links to lies outside of it.
          server: { ...listen, fs: { allow: [dir, ROOT] } },
        });
  if ('listen' in server) await server.listen();
  const { port } = new URL(server.resolvedUrls?.local[0] ?? '');
  return {
    origin: `http://localhost:${port}`,
    otherOrigin: `http://127.0.0.1:${port}`,
    close: () => server.close(),
  };
}
