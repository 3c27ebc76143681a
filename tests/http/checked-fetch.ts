import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** The parts of the OpenAPI document that checking needs. */
interface Document {
  readonly paths: {
    readonly [path: string]: { readonly [method: string]: Operation };
  };
}
interface Operation {
  readonly responses: { readonly [status: string]: Described };
}
interface Described {
  readonly content?: { readonly [media: string]: { readonly schema?: object } };
}

const pointer = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');

/** A path template as a regular expression over real paths. */
const matcher = (template: string): RegExp =>
  new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);

/**
 * A fetch that throws where a response is not what the server's own OpenAPI document says: an undescribed status, another
 * media type, a JSON body that its schema refuses, an error that is no problem document. Give it to anything that takes
 * a fetch. `seen` has what was checked: `GET /v1/jobs 200`.
 */
export function checkedFetch(
  server: string,
): typeof fetch & { readonly seen: ReadonlySet<string> } {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const validators = new Map<string, ValidateFunction>();
  const seen = new Set<string>();
  let document: Promise<Document> | undefined;

  const load = async (): Promise<Document> => {
    const loaded = (await (await fetch(`${server}/v1/openapi.json`)).json()) as Document;
    ajv.addSchema(loaded, 'openapi');
    return loaded;
  };
  const validator = (path: string): ValidateFunction => {
    const made = validators.get(path) ?? ajv.compile({ $ref: `openapi#${encodeURI(path)}` });
    validators.set(path, made);
    return made;
  };

  const checking = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const { method, url } = request;
    const response = await fetch(input, init);
    const { paths } = await (document ??= load());
    const { pathname } = new URL(url);
    const template = Object.keys(paths).find((path) => matcher(path).test(pathname));
    const lower = method.toLowerCase();
    const operation = template === undefined ? undefined : paths[template]?.[lower];
    const { status } = response;
    const where = `${method} ${template ?? pathname} ${status}`;
    const fail = (what: string): never => {
      throw new Error(`${where}: ${what}`);
    };
    if (!response.headers.get('x-request-id')) fail('no X-Request-Id');
    if (lower === 'options') return response;
    if (!operation || template === undefined) {
      if (status !== 404 && status !== 405) fail('not in the OpenAPI document');
      if (lower !== 'head') await checkProblem(response, validator, fail);
      return response;
    }
    seen.add(where);
    const declared = operation.responses[status];
    if (!declared) {
      if (status < 400) fail('a status that is not described');
      if (lower !== 'head') await checkProblem(response, validator, fail);
      return response;
    }
    const { content } = declared;
    if (!content) return response;
    const media = (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
    if (!(media in content)) fail(`${media} instead of ${Object.keys(content).join(', ')}`);
    if (media !== 'application/json') return response;
    const at = `/paths/${pointer(template)}/${lower}/responses/${status}/content/${pointer(media)}/schema`;
    const validate = validator(at);
    const body: unknown = await response.clone().json();
    if (!validate(body)) {
      fail(`${ajv.errorsText(validate.errors)} in ${JSON.stringify(body).slice(0, 500)}`);
    }
    return response;
  };
  return Object.assign(checking, { seen });
}

async function checkProblem(
  response: Response,
  validator: (path: string) => ValidateFunction,
  fail: (what: string) => never,
): Promise<void> {
  const { headers, status } = response;
  if (headers.get('content-type') !== 'application/problem+json') {
    fail(`an error as ${headers.get('content-type')}`);
  }
  const body = (await response.clone().json()) as { status?: unknown };
  const validate = validator('/components/schemas/Problem');
  if (!validate(body)) fail(`not a problem: ${JSON.stringify(body)}`);
  if (body.status !== status) fail(`the problem says ${String(body.status)}`);
}
