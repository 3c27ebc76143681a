import type { Context, Hono } from 'hono';
import type { SiteCaller } from '../core/protocol/caller.ts';
import { checked } from '../core/protocol/field-errors.ts';
import { ROUTES, type RouteId, type Routes } from '../core/protocol/http.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { DIGEST_PATTERN } from '../core/protocol/names.ts';
import {
  type AnswerOf,
  type Body,
  isMedia,
  type PathParams,
  type Query,
  type Route,
  type Schema,
} from '../core/protocol/route.ts';
import type { Env } from '../durable/env.ts';
import { JOB_ID_PATTERN } from '../durable/directory/job-id.ts';
import type { Answered } from '../durable/stubs.ts';
import { readJson } from './json-body.ts';
import { authenticate, type Identity, mustStand } from './middleware/auth.ts';
import { Refusal } from './problem.ts';

export type AppEnv = { Bindings: Env; Variables: { requestId: string } };
export type App = Hono<AppEnv>;

interface Callers {
  admin: { readonly role: 'admin' };
  site: SiteCaller;
  enrolment: { readonly role: 'enrolment'; readonly token: string };
}

/** A request that was let in, taken apart as the route's description says. */
export interface Ask<R extends Route> {
  readonly c: Context<AppEnv>;
  readonly env: Env;
  readonly caller: Callers[R['who'][number]];
  readonly params: PathParams<R>;
  readonly query: Query<R>;
  readonly body: Body<R>;
  /** Idempotency-Key. */
  readonly key: string | null;
  /** Answers with one of the statuses and bodies that the route describes. */
  readonly reply: <S extends keyof R['answers'] & number>(
    status: S,
    body: AnswerOf<R, S>,
    headers?: Record<string, string>,
  ) => Response;
}

/** The value of an answer from an object, or its refusal thrown. */
export function must<T>(result: Awaited<Answered<T>>): T {
  if (result.ok) return result.value;
  throw new Refusal(result.error);
}

/**
 * Serves one route of the table: who may call, then what the parameters, the query and the body must be, in that order;
 * then `handle`. `unchecked` leaves the JSON body's content to the object that takes it.
 */
export function endpoint<K extends RouteId>(
  app: App,
  id: K,
  handle: (ask: Ask<Routes[K]>) => Promise<Response>,
  { unchecked = false } = {},
): void {
  const route: Route = ROUTES[id];
  app.on([...route.methods], route.path, async (c) => {
    if (c.req.raw.method === 'HEAD' && !route.head) {
      throw new Refusal({ reason: 'method-not-allowed', allow: allowed(route.path) });
    }
    const caller = route.who.length > 0 ? await authenticate(c.req.raw, c.env) : null;
    let read: Awaited<ReturnType<typeof readRequest>>;
    try {
      read = await readRequest(c, route, caller, unchecked);
    } catch (error) {
      // An object that is called checks the token itself; who gets no further must not learn more than that it is void.
      if (caller?.role === 'site') await mustStand(c.env, caller);
      throw error;
    }
    const reply = (status: number, value: unknown, own: Record<string, string> = {}) => {
      const headers = { 'x-request-id': c.get('requestId'), ...own };
      return value === null
        ? new Response(null, { status, headers })
        : Response.json(value, { status, headers: { 'cache-control': 'no-store', ...headers } });
    };
    // The route's description was followed step by step: what it says of types holds.
    const ask = { c, env: c.env, caller, reply, ...read };
    return handle(ask as unknown as Ask<Routes[K]>);
  });
}

/** Methods that a path takes, for Allow. */
export function allowed(path: string): readonly string[] {
  const routes: readonly Route[] = Object.values(ROUTES);
  const here = routes.filter((route) => route.path === path);
  return here.flatMap(({ methods, head }) => [...methods, ...(head ? ['HEAD'] : [])]);
}

async function readRequest(
  c: Context<AppEnv>,
  route: Route,
  caller: Identity | null,
  unchecked: boolean,
) {
  if (caller) checkRole(caller, route);
  const params = c.req.param();
  checkParams(params, route);
  const query = readQuery(c, route);
  const key = route.idempotent ? readKey(c) : null;
  const body =
    route.body && !isMedia(route.body)
      ? await readBody(c, route, route.body, unchecked)
      : undefined;
  return { params, query, key, body };
}

/** Whose token, in words. */
const OWNER = { admin: "the admin's", site: "a site's", enrolment: 'an enrolment' } as const;

function checkRole({ role }: Identity, { who }: Route): void {
  if (who.includes(role)) return;
  const wanted = who.map((one) => OWNER[one]).join(' or ');
  throw new Refusal({
    reason: 'forbidden',
    detail: `This takes ${wanted} token, not ${OWNER[role]}.`,
  });
}

/** A job or blob whose name has not even the form of one isn't there; no object needs to be asked. */
function checkParams(params: Record<string, string>, route: Route): void {
  const { id, digest } = params;
  if (id !== undefined && !JOB_ID_PATTERN.test(id)) {
    throw new Refusal({ reason: 'not-found', what: 'job' });
  }
  if (digest === undefined || DIGEST_PATTERN.test(digest)) return;
  if (!route.methods.includes('PUT')) throw new Refusal({ reason: 'not-found', what: 'blob' });
  const error = { path: 'digest', expected: 'sha256- and 64 hex digits', got: digest.slice(0, 80) };
  throw new Refusal({
    reason: 'invalid',
    code: 'INVALID_DIGEST',
    detail: 'A blob is named by its digest.',
    errors: [error],
  });
}

function readQuery(c: Context<AppEnv>, { query = {} }: Route): Record<string, unknown> {
  const given = Object.entries(query).map(([name, schema]) => {
    const value = checked(schema, c.req.query(name), name);
    if (value.ok) return [name, value.value] as const;
    const detail = 'A query parameter is not what it should be.';
    throw new Refusal({ reason: 'malformed', detail, errors: value.error });
  });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function readKey(c: Context<AppEnv>): string | null {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return null;
  if (key.length > 0 && key.length <= LIMITS.idempotencyKeyLength) return key;
  const expected = `1 to ${LIMITS.idempotencyKeyLength} characters`;
  throw new Refusal({
    reason: 'malformed',
    detail: 'The Idempotency-Key is not one.',
    errors: [{ path: 'Idempotency-Key', expected, got: `${key.length} characters` }],
  });
}

async function readBody(c: Context<AppEnv>, route: Route, schema: Schema, unchecked: boolean) {
  const given = await readJson(c.req.raw, route.maxBody ?? LIMITS.jsonBytes);
  const none = { reason: 'malformed', detail: 'The request has no body; JSON is needed.' } as const;
  if (unchecked) {
    if (given === undefined) throw new Refusal(none);
    return given;
  }
  const value = checked(schema, given ?? {});
  if (value.ok) return value.value;
  if (given === undefined) throw new Refusal(none);
  throw new Refusal({
    reason: 'invalid',
    code: 'INVALID_BODY',
    detail: 'The body is not what this route takes.',
    errors: value.error,
  });
}
