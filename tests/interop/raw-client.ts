/** What a server answered. `json` is undefined where the body is not JSON. */
export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly json: T;
}

export interface Call {
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly headers?: Record<string, string>;
  /** What fetches; checks each answer where it is a checked fetch. */
  readonly by?: typeof fetch;
}

/** One request with plain fetch: these tests are strangers and use no client of ours. */
export async function call<T = unknown>(
  method: string,
  url: string,
  { token, json, body, headers = {}, by = fetch }: Call = {},
): Promise<Answer<T>> {
  const sent: Record<string, string> = { ...headers };
  if (token !== undefined) sent['authorization'] = `Bearer ${token}`;
  if (json !== undefined) sent['content-type'] ??= 'application/json';
  const answer = await by(url, {
    method,
    headers: sent,
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(body === undefined ? {} : { body }),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const isJson = /^application\/(problem\+)?json/.test(answer.headers.get('content-type') ?? '');
  return {
    status: answer.status,
    headers: answer.headers,
    bytes,
    json: (isJson ? JSON.parse(new TextDecoder().decode(bytes)) : undefined) as T,
  };
}
