/** What the kit needs of Node: files for storage, and a device that runs with them. */
export { FileStore } from './runtimes/node/file-store.ts';
export { runSite } from './runtimes/node/run-site.ts';
export type { NodeSiteOptions } from './runtimes/node/run-site.ts';
