import { runSite as serve } from '../../site.ts';
import type { SiteOptions } from '../../site.ts';
import { IndexedDbStore } from './indexed-db-store.ts';

export interface BrowserSiteOptions extends Omit<SiteOptions, 'store'> {
  /** Name of the site's IndexedDB database. */
  readonly storage?: string;
}

/** Of the six connections to a server that a browser has over HTTP/1.1; the others are for models, results and leases. */
const WAITING_POLLS = 3;

/**
 * {@link serve runSite} for a page. Of several tabs over one storage, one is the site; the others wait until it is
 * closed. Needs a secure context (https or localhost).
 */
export const runSite = ({ storage, ...options }: BrowserSiteOptions): Promise<void> =>
  serve({ waitingPolls: WAITING_POLLS, ...options, store: new IndexedDbStore(storage) });
