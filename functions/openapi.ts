import { toJsonSchema } from '@valibot/to-json-schema';
import { AnalyticsBatch } from '../core/protocol/analytics.ts';
import { FLModelHeader } from '../core/protocol/fl-model.ts';
import {
  BlobStored,
  Health,
  JobList,
  MetricList,
  MetricsAccepted,
  PartReceived,
  ROUTES,
  SiteList,
} from '../core/protocol/http.ts';
import { JobSummary, JobView } from '../core/protocol/job-status.ts';
import { JobSpec } from '../core/protocol/job.ts';
import { Problem } from '../core/protocol/problem.ts';
import { isMedia, type Media, type Route, type Schema } from '../core/protocol/route.ts';
import {
  Enrolment,
  EnrolmentRequest,
  Revocation,
  SiteGrant,
  SiteRequest,
} from '../core/protocol/site.ts';
import { Inbox, LeaseAnswer, PollAnswer, ResultAnswer } from '../core/protocol/task.ts';
import { VERSION } from '../core/protocol/version.ts';

/** Schemas that the document names; the others stand where they are used. */
const NAMED: ReadonlyMap<Schema, string> = new Map<Schema, string>([
  [AnalyticsBatch, 'AnalyticsBatch'],
  [BlobStored, 'BlobStored'],
  [Enrolment, 'Enrolment'],
  [EnrolmentRequest, 'EnrolmentRequest'],
  [FLModelHeader, 'FLModelHeader'],
  [Health, 'Health'],
  [Inbox, 'Inbox'],
  [JobList, 'JobList'],
  [JobSpec, 'JobSpec'],
  [JobSummary, 'JobSummary'],
  [JobView, 'JobView'],
  [LeaseAnswer, 'LeaseAnswer'],
  [MetricList, 'MetricList'],
  [MetricsAccepted, 'MetricsAccepted'],
  [PartReceived, 'PartReceived'],
  [PollAnswer, 'PollAnswer'],
  [Problem, 'Problem'],
  [ResultAnswer, 'ResultAnswer'],
  [Revocation, 'Revocation'],
  [SiteGrant, 'SiteGrant'],
  [SiteList, 'SiteList'],
  [SiteRequest, 'SiteRequest'],
]);

type Json = Record<string, unknown>;
/** A request's schema leaves defaults out, an answer's has them. */
type Side = 'input' | 'output';

const convert = (schema: Schema, typeMode: Side): Json => {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    typeMode,
    target: 'draft-2020-12',
    // Checks that JSON Schema has no word for (a reserved name, a finite number) are the server's alone.
    errorMode: 'ignore',
  });
  return rest;
};

let document: Json | undefined;

/** The API as an OpenAPI 3.1 document, made from the route table. */
export const openApiDocument = (): Json => (document ??= build());

function build(): Json {
  const schemas: Record<string, Json> = {};
  const refer = (schema: Schema, side: Side): Json => {
    const name = NAMED.get(schema);
    if (name === undefined) return convert(schema, side);
    const own = side === 'input' && schema === JobSpec ? `${name}Input` : name;
    schemas[own] ??= convert(schema, side);
    return { $ref: `#/components/schemas/${own}` };
  };
  const content = (body: Schema | Media, side: Side): Json => {
    if (!isMedia(body)) return { 'application/json': { schema: refer(body, side) } };
    const bytes = body.media.map((type) => [type, {}] as const);
    const json = body.json
      ? [['application/json', { schema: refer(body.json, side) }] as const]
      : [];
    return Object.fromEntries([...bytes, ...json]);
  };
  const error = {
    description: 'A problem (RFC 9457)',
    content: { 'application/problem+json': { schema: refer(Problem, 'output') } },
  };

  const operation = (id: string, route: Route, method: string): Json => ({
    operationId: method === route.methods[0].toLowerCase() ? id : `${id}_${method}`,
    summary: route.summary,
    security: route.who.map((role) => ({ [role]: [] })),
    parameters: parameters(route),
    ...(route.body ? { requestBody: { content: content(route.body, 'input') } } : {}),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, answer]) => [
          status,
          {
            description: TITLES[Number(status)] ?? 'Success',
            ...(answer && method !== 'head' ? { content: content(answer, 'output') } : {}),
          },
        ]),
      ),
      default: method === 'head' ? { description: error.description } : error,
    },
  });

  const paths: Record<string, Json> = {};
  for (const [id, route] of Object.entries<Route>(ROUTES)) {
    const path = route.path.replace(/:([a-z]+)/g, '{$1}');
    const methods = [...route.methods.map((m) => m.toLowerCase()), ...(route.head ? ['head'] : [])];
    for (const method of methods) {
      paths[path] = { ...paths[path], [method]: operation(id, route, method) };
    }
  }
  const bearer = (description: string): Json => ({ type: 'http', scheme: 'bearer', description });
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tributary',
      version: VERSION,
      description: 'Federated learning at the edge: JSON for control, safetensors for tensors.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        admin: bearer("The server's ADMIN_TOKEN"),
        site: bearer("A site's token, from POST /v1/sites"),
        enrolment: bearer('An enrolment token, from POST /v1/enrolments'),
      },
    },
  };
}

const TITLES: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted, not yet done',
  204: 'Done',
  206: 'Part of it',
  304: 'Not modified',
};

function parameters(route: Route): Json[] {
  const inPath = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(route.query ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: convert(schema, 'output'),
  }));
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    schema: { type: 'string' },
  };
  return [...inPath, ...inQuery, ...(route.idempotent ? [key] : [])];
}
