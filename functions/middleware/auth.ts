import type { Caller, SiteCaller } from '../../core/protocol/caller.ts';
import type { Env } from '../../durable/env.ts';
import {
  looksLikeEnrolment,
  sameText,
  tokenKeys,
  verifySite,
} from '../../durable/directory/site-token.ts';
import { VOID_TOKEN, directoryOf, stands } from '../../durable/stubs.ts';
import { Refusal } from '../problem.ts';

export type Identity = Caller | { readonly role: 'enrolment'; readonly token: string };

/** A bearer token's characters (RFC 6750, section 2.1): any other token could never be sent. */
const TOKEN = String.raw`[\w.~+/-]+=*`;
const BEARER = new RegExp(`^Bearer +(${TOKEN}) *$`, 'i');
export const canBeSent = (token: string): boolean => new RegExp(`^${TOKEN}$`).test(token);

const refused = (detail: string): Refusal => new Refusal({ reason: 'unauthorized', detail });

/** Who a request's bearer token says it is from. Only enrolment tokens take a visit to the directory. Throws a Refusal. */
export async function authenticate(request: Request, env: Env): Promise<Identity> {
  const header = request.headers.get('authorization');
  if (header === null) throw refused('A bearer token is needed.');
  const [, token] = BEARER.exec(header) ?? [];
  if (token === undefined) throw refused('The Authorization header holds no bearer token.');
  const site = verifySite(tokenKeys(env), token);
  if (site) return site;
  if (looksLikeEnrolment(token)) {
    const key = request.headers.get('idempotency-key');
    const good = await directoryOf(env).mayEnrol(token, key);
    if (!good.ok) throw new Refusal(good.error);
    return { role: 'enrolment', token };
  }
  if (env.ADMIN_TOKEN && sameText(token, env.ADMIN_TOKEN)) return { role: 'admin' };
  throw refused('This token is not known.');
}

/** Throws a Refusal where a site's token is void: the site was revoked or enrolled anew. Takes a visit to the directory. */
export async function mustStand(env: Env, site: SiteCaller): Promise<void> {
  if (!stands(await directoryOf(env).generation(site.name), site)) throw new Refusal(VOID_TOKEN);
}
