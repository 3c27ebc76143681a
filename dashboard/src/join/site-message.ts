import type { SiteEvent } from '../../../client-kit/src/index.ts';
import type { Chosen } from './memory.ts';

/** What the page tells the worker that is the site. */
export type Order =
  | {
      readonly type: 'start';
      readonly server: string;
      readonly name: string | undefined;
      readonly enrolment: string | undefined;
      readonly data: Chosen;
    }
  /** Take new work again. */
  | { readonly type: 'go-on' }
  /** Finish what is at hand, then stop. */
  | { readonly type: 'finish' }
  /** Stop at once: what is at hand is done again, with the same result, later. */
  | { readonly type: 'stop' };

/** What the worker tells the page. */
export type Report =
  | { readonly type: 'event'; readonly event: SiteEvent }
  | { readonly type: 'stopped' }
  /** It can't go on; `status` where it was the server that said so. */
  | { readonly type: 'failed'; readonly message: string; readonly status: number | undefined };
