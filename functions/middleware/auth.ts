import type { Caller } from '../../core/protocol/caller.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import type { Env } from '../../durable/env.ts';
import { looksLikeEnrolment, sameText, tokenKeys, verifySite } from '../../durable/site-token.ts';
import { directoryOf } from '../../durable/stubs.ts';

export type Identity = Caller | { readonly role: 'enrolment'; readonly token: string };

const refused = (detail: string): Result<never, Fault> => err({ reason: 'unauthorized', detail });

/** Who a request's bearer token says it is from. Only enrolment tokens take a visit to the directory. */
export async function authenticate(request: Request, env: Env): Promise<Result<Identity, Fault>> {
  const header = request.headers.get('authorization');
  if (header === null) return refused('A bearer token is needed.');
  const [, token] = /^Bearer +([\w.~+/-]+=*) *$/i.exec(header) ?? [];
  if (token === undefined) return refused('The Authorization header holds no bearer token.');
  const site = verifySite(tokenKeys(env), token);
  if (site) return ok(site);
  if (looksLikeEnrolment(token)) {
    const key = request.headers.get('idempotency-key');
    const good = await directoryOf(env).mayEnrol(token, key);
    return good.ok ? ok({ role: 'enrolment', token }) : good;
  }
  if (env.ADMIN_TOKEN && sameText(token, env.ADMIN_TOKEN)) return ok({ role: 'admin' });
  return refused('This token is not known.');
}
