import type * as v from 'valibot';

/** Whose bearer token a route takes. */
type Who = 'admin' | 'site' | 'enrolment';
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export type Schema = v.GenericSchema<unknown, unknown>;
/** Schemas of the query's parameters: each takes the text of one. */
export type QuerySchema = { readonly [name: string]: v.GenericSchema<unknown, unknown> };

/** A body that is not JSON: bytes or a stream, of one of these media types. */
export interface Media {
  readonly media: readonly string[];
  /** A JSON body is taken or given as well. */
  readonly json?: Schema;
}
export const isMedia = (body: Schema | Media): body is Media => 'media' in body;

/**
 * One route, described once: it drives the server's validation and authorisation, the OpenAPI document and the types
 * of clients. Errors are problem documents everywhere and are not listed.
 */
export interface Route {
  /** The first is the canonical one. */
  readonly methods: readonly [Method, ...Method[]];
  /** `:name` marks a parameter. */
  readonly path: string;
  readonly summary: string;
  /** Empty: anyone, without a token. */
  readonly who: readonly Who[];
  /** HEAD answers like GET without the body. Not where a GET changes something or never ends. */
  readonly head?: boolean;
  readonly query?: QuerySchema;
  readonly body?: Schema | Media;
  /** Most bytes of a JSON body. */
  readonly maxBody?: number;
  /** Takes Idempotency-Key. */
  readonly idempotent?: boolean;
  /** What success looks like; null: no body. */
  readonly answers: { readonly [status: number]: Schema | Media | null };
}

type Params<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & Params<Rest>
  : Path extends `${string}:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;

/** A route's path parameters. */
export type PathParams<R extends Route> = Params<R['path']>;

/** A route's query after validation. */
export type Query<R extends Route> = R extends { readonly query: infer Q extends QuerySchema }
  ? { readonly [K in keyof Q]: v.InferOutput<Q[K]> }
  : unknown;

/** A route's JSON body after validation, defaults filled in; undefined where it takes none. */
export type Body<R extends Route> = R extends { readonly body: infer B }
  ? B extends v.GenericSchema
    ? v.InferOutput<B>
    : undefined
  : undefined;

/** A route's JSON body as a client writes it. */
export type BodyInput<R extends Route> = R extends { readonly body: infer B }
  ? B extends v.GenericSchema
    ? v.InferInput<B>
    : undefined
  : undefined;

type JsonOf<A> = A extends v.GenericSchema ? v.InferOutput<A> : A extends null ? null : never;

/** The JSON that a route answers with one status. */
export type AnswerOf<R extends Route, Status extends keyof R['answers']> = JsonOf<
  R['answers'][Status]
>;

/** The JSON that a route answers on success: a union over its statuses. */
export type Answer<R extends Route> = JsonOf<R['answers'][keyof R['answers']]>;
