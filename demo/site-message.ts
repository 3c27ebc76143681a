import type { SiteEvent } from '../client-kit/src/event.ts';

/** What a site process is started with. */
export interface SiteStart {
  readonly server: string;
  readonly name: string;
  readonly enrolment: string;
  /** Folder of its own examples: the only one it reads. */
  readonly data: string;
  /** Folder of its token, its outbox and its models. */
  readonly state: string;
}

/** What a site process tells the demo; the server hears nothing of it. */
export type SiteMessage =
  | { readonly type: 'data'; readonly examples: number; readonly format: string }
  | { readonly type: 'event'; readonly event: SiteEvent }
  /** Bytes of request and answer bodies since the last message. */
  | { readonly type: 'bytes'; readonly up: number; readonly down: number }
  | { readonly type: 'failed'; readonly error: string };
