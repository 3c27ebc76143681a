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

/** One answer, and what it answers. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** The body's text; asked only where it is JSON. */
  readonly text: () => Promise<string>;
}

const pointer = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');

/** A path template as a regular expression over real paths. */
const matcher = (template: string): RegExp =>
  new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);

/** An answer that is not what the document says. */
export class Breach extends Error {}

/** A server's own OpenAPI document, as something to hold its answers against. */
export class Contract {
  /** What was checked: `GET /v1/jobs 200`. */
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #document: Document;

  private constructor(document: Document) {
    this.#document = document;
    this.#ajv.addSchema(document, 'openapi');
  }

  static async of(server: string): Promise<Contract> {
    return new Contract((await (await fetch(`${server}/v1/openapi.json`)).json()) as Document);
  }

  /**
   * Throws a Breach where an answer is not what the document says: an undescribed status, another media type, a JSON body that
   * its schema refuses, an error that is no problem document, an answer without an id.
   */
  async check({ method, url, status, headers, text }: Exchange): Promise<void> {
    const { paths } = this.#document;
    const { pathname } = new URL(url);
    const template = Object.keys(paths).find((path) => matcher(path).test(pathname));
    const lower = method.toLowerCase();
    const operation = template === undefined ? undefined : paths[template]?.[lower];
    const where = `${method} ${template ?? pathname} ${status}`;
    const media = (headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
    const fail = (what: string): never => {
      throw new Breach(`${where}: ${what}`);
    };
    const valid = async (schema: string): Promise<unknown> => {
      const body: unknown = JSON.parse(await text());
      const validate = this.#validator(schema);
      if (validate(body)) return body;
      const shown = JSON.stringify(body).slice(0, 500);
      return fail(`${this.#ajv.errorsText(validate.errors)} in ${shown}`);
    };
    const mustBeProblem = async (): Promise<void> => {
      if (lower === 'head') return;
      if (media !== 'application/problem+json') fail(`an error as ${media}`);
      const body = (await valid('/components/schemas/Problem')) as { status: number };
      if (body.status !== status) fail(`the problem says ${body.status}`);
    };

    if (!headers.get('x-request-id')) fail('no X-Request-Id');
    if (lower === 'options') return;
    if (!operation || template === undefined) {
      if (status !== 404 && status !== 405) fail('not in the OpenAPI document');
      return mustBeProblem();
    }
    this.seen.add(where);
    const declared = operation.responses[status];
    if (!declared) {
      if (status < 400) fail('a status that is not described');
      return mustBeProblem();
    }
    const { content } = declared;
    if (!content) return;
    if (!(media in content)) fail(`${media} instead of ${Object.keys(content).join(', ')}`);
    if (media !== 'application/json') return;
    await valid(
      `/paths/${pointer(template)}/${lower}/responses/${status}/content/${pointer(media)}/schema`,
    );
  }

  #validator(path: string): ValidateFunction {
    const made =
      this.#validators.get(path) ?? this.#ajv.compile({ $ref: `openapi#${encodeURI(path)}` });
    this.#validators.set(path, made);
    return made;
  }
}
