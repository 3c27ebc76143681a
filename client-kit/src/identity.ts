import type { SiteGrant } from '../../core/protocol/site.ts';
import type { Connection } from './connection.ts';
import { digestOf } from './digest.ts';
import { ProblemError } from './problem-error.ts';
import { readJson, writeJson } from './store.ts';
import type { Store } from './store.ts';

/** Who the site is to one server. */
export interface Identity {
  readonly site: string;
  readonly token: string;
}

export interface IdentityOptions {
  /** The site's name; without it, the one it enrolled under before. */
  readonly name?: string | undefined;
  /** The site's own token, where the caller keeps it. */
  readonly token?: string | undefined;
  /**
   * A one-time token that makes a site of this device: needed once, and again with a new one if the site was revoked.
   */
  readonly enrolment?: string | undefined;
  readonly capabilities?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

const KEY = 'identity';
const PENDING = 'enrolment';

/** What an enrolment was asked of, and with which token (its digest: the token is not kept). */
interface Asked {
  readonly server: string;
  readonly enrolment?: string;
}
interface Stored extends Identity, Asked {}
interface Pending extends Asked {
  readonly name: string;
  readonly key: string;
}

/**
 * The site's name and token: given, or kept from before, or by enrolling. An enrolment whose answer was lost is repeated
 * under its Idempotency-Key, after a restart too, and gives the same token. A kept token that the server no longer takes
 * gives way to an enrolment token that is not the one it came from: a revoked site stays out until it is asked anew.
 * Rejects with ProblemError (409: the name is taken; 401: the enrolment is used up or expired) and with Error where
 * there is nothing to go by.
 */
export const identify = async (
  connection: Connection,
  store: Store,
  { name, token, enrolment, capabilities, signal }: IdentityOptions,
): Promise<Identity> => {
  const server = connection.server.origin;
  if (token) {
    if (!name) throw new Error('a site token needs the name of its site');
    return { site: name, token };
  }
  const ticket = enrolment && (await digestOf(new TextEncoder().encode(enrolment)));
  const kept = await readJson<Stored>(store, KEY);
  if (kept?.server === server && (name === undefined || kept.site === name)) {
    if (!enrolment || kept.enrolment === ticket) return kept;
    if (await isKnown(connection.withToken(kept.token), signal)) return kept;
  }
  const site = name ?? kept?.site;
  if (!enrolment || !site) {
    throw new Error(
      `this site is not enrolled at ${server}: it needs a name and an enrolment token`,
    );
  }
  const asked = { server, ...(ticket && { enrolment: ticket }) };
  const pending = await readJson<Pending>(store, PENDING);
  const same = pending?.server === server && pending.name === site && pending.enrolment === ticket;
  const key = same ? pending.key : crypto.randomUUID();
  await writeJson(store, PENDING, { ...asked, name: site, key } satisfies Pending);
  const grant = await connection.withToken(enrolment).json<SiteGrant>('POST', '/v1/sites', {
    headers: { 'idempotency-key': key },
    json: { name: site, ...(capabilities && { capabilities }) },
    signal,
  });
  const identity: Stored = { ...asked, site: grant.site, token: grant.token };
  await writeJson(store, KEY, identity);
  await store.delete(PENDING);
  return identity;
};

/** Whether the server still takes this site's token. */
const isKnown = async (site: Connection, signal?: AbortSignal): Promise<boolean> => {
  try {
    await site.json('GET', '/v1/inbox', { signal });
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return false;
    throw error;
  }
};
