import type { Tensors } from '../../core/tensors/tensor.ts';
import type { SiteEvent } from '../src/event.ts';
import { runSite } from '../src/site.ts';
import type { SiteOptions } from '../src/site.ts';
import { MemoryStore } from '../src/store.ts';
import type { FakeServer } from './fake-server.ts';

/** A model of one tensor. */
export const numbers = (...data: number[]): Tensors =>
  new Map([['w', { dtype: 'F32', shape: [data.length], data: Float32Array.from(data) }]]);

/** Serves until `until` is true of an event, then stops the site. */
export const serve = async (
  server: FakeServer,
  until: (event: SiteEvent) => boolean,
  options: Partial<SiteOptions> = {},
): Promise<SiteEvent[]> => {
  const events: SiteEvent[] = [];
  const stop = new AbortController();
  await runSite({
    server: server.url,
    fetch: server.fetch,
    name: 'hospital-a',
    enrolment: 'ticket',
    store: new MemoryStore(),
    signal: stop.signal,
    ...options,
    onEvent: (event) => {
      events.push(event);
      if (until(event)) stop.abort();
    },
  });
  return events;
};

export const ended = (event: SiteEvent): boolean => event.type === 'job-ended';
