import { runSite as serve } from '../../site.ts';
import type { SiteOptions } from '../../site.ts';
import { IndexedDbStore } from './indexed-db-store.ts';

export interface BrowserSiteOptions extends Omit<SiteOptions, 'store'> {
  /** Name of the site's IndexedDB database. */
  readonly storage?: string;
}

/**
 * {@link serve runSite} for a page. Of several tabs over one storage, one is the site; the others wait until it is
 * closed. Needs a secure context (https or localhost).
 */
export const runSite = async ({
  storage = 'tributary',
  ...options
}: BrowserSiteOptions): Promise<void> => {
  const { signal } = options;
  try {
    await navigator.locks.request(`tributary:${storage}`, { ...(signal && { signal }) }, () =>
      serve({ ...options, store: new IndexedDbStore(storage) }),
    );
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
};
