import type { SiteGrant } from '../../core/protocol/site.ts';
import type { Connection } from './connection.ts';
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
  /** A one-time token that makes a site of this device. */
  readonly enrolment?: string | undefined;
  readonly capabilities?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

const KEY = 'identity';
const PENDING = 'enrolment';

interface Stored extends Identity {
  readonly server: string;
}
interface Pending {
  readonly server: string;
  readonly name: string;
  readonly key: string;
}

/**
 * The site's name and token: given, or kept from before, or by enrolling. An enrolment whose answer was lost is repeated
 * under its Idempotency-Key, after a restart too, and gives the same token. Rejects with ProblemError (409: the name is
 * taken; 401: the enrolment is used up or expired) and with Error where there is nothing to go by.
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
  const kept = await readJson<Stored>(store, KEY);
  if (kept?.server === server && (name === undefined || kept.site === name)) return kept;
  if (!enrolment || !name) {
    throw new Error(
      `this site is not enrolled at ${server}: it needs a name and an enrolment token`,
    );
  }
  const pending = await readJson<Pending>(store, PENDING);
  const key =
    pending?.server === server && pending.name === name ? pending.key : crypto.randomUUID();
  await writeJson(store, PENDING, { server, name, key });
  const grant = await connection.withToken(enrolment).json<SiteGrant>('POST', '/v1/sites', {
    headers: { 'idempotency-key': key },
    json: { name, ...(capabilities && { capabilities }) },
    signal,
  });
  const identity: Stored = { server, site: grant.site, token: grant.token };
  await writeJson(store, KEY, identity);
  await store.delete(PENDING);
  return identity;
};
