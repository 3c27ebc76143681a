/** What the kit needs of a browser: IndexedDB for storage, and a device that runs in a page. */
export { IndexedDbStore } from './runtimes/browser/indexed-db-store.ts';
export { PolicyError } from './policy/document.ts';
export type { PolicyInput } from './policy/document.ts';
export { sitePolicy } from './policy/site-policy.ts';
export { runSite } from './runtimes/browser/run-site.ts';
export type { BrowserSiteOptions } from './runtimes/browser/run-site.ts';
