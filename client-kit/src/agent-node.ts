/** Pipes of an operating system, for sites and agents in Node, Deno and Bun. */
export { agentPipe, sitePipe } from './agent/pipes/address.ts';
export { folderAgentPipe, folderSitePipe } from './agent/pipes/folder.ts';
export type { FolderPipeOptions } from './agent/pipes/folder.ts';
export { httpAgentPipe, httpSitePipe } from './agent/pipes/http.ts';
export type { HttpAddress, HttpPipeOptions } from './agent/pipes/http.ts';
