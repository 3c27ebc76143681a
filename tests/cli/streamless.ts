import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** A way to the server through which no event stream comes: as proxies are that know no server-sent events. */
export interface Streamless {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  readonly close: () => void;
}

export async function streamless(server: string): Promise<Streamless> {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    if (path.endsWith('/events')) {
      const problem = { type: 'about:blank', title: 'Not Found', status: 404, code: 'NO_STREAM' };
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ ...problem, detail: 'streams do not pass here' }));
      return;
    }
    const { authorization = '' } = request.headers;
    void fetch(`${server}${path}`, { headers: { authorization } }).then(
      async (answer) => {
        response.writeHead(answer.status, {
          'content-type': answer.headers.get('content-type') ?? '',
        });
        response.end(await answer.text());
      },
      () => response.destroy(),
    );
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
