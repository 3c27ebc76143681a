import type { AgentPipe, SitePipe } from '../pipe.ts';
import { folderAgentPipe, folderSitePipe } from './folder.ts';
import { httpAgentPipe, httpSitePipe } from './http.ts';
import type { HttpAddress, HttpPipeOptions } from './http.ts';

type Place = { readonly http: HttpAddress } | { readonly folder: string };

/** `unix:/path/to.sock`, `http://127.0.0.1:8765` or `dir:/path/to/folder`. Throws TypeError on any other text. */
const placeOf = (address: string): Place => {
  const [, scheme, rest = ''] = /^(unix|dir):(.+)$/s.exec(address) ?? [];
  if (scheme === 'unix') return { http: { path: rest } };
  if (scheme === 'dir') return { folder: rest };
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'http:' || url.port === '') {
    const kinds = 'unix:PATH, http://127.0.0.1:PORT or dir:PATH';
    throw new TypeError(`an agent's address is ${kinds}, not '${address}'`);
  }
  return { http: { host: url.hostname, port: Number(url.port) } };
};

/** A site's end of the pipe at an address. `token`: for HTTP. Throws TypeError on an address that is none. */
export const sitePipe = (address: string, options: HttpPipeOptions = {}): SitePipe => {
  const place = placeOf(address);
  return 'folder' in place ? folderSitePipe(place.folder) : httpSitePipe(place.http, options);
};

/** An agent's end of the pipe at an address; see {@link sitePipe}. */
export const agentPipe = (address: string, options: HttpPipeOptions = {}): AgentPipe => {
  const place = placeOf(address);
  return 'folder' in place ? folderAgentPipe(place.folder) : httpAgentPipe(place.http, options);
};
