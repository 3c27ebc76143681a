import { Contract } from './contract.ts';

/** A fetch that holds each answer against the server's own OpenAPI document, and throws a Breach where it is not what that says. */
export function checkedFetch(server: string): typeof fetch {
  let contract: Promise<Contract> | undefined;
  const load = () =>
    Contract.of(server).catch((error: unknown) => {
      // The server may be down just now.
      contract = undefined;
      throw error;
    });
  return async (input, init) => {
    const { method, url } = new Request(input, init);
    const response = await fetch(input, init);
    const { status, headers } = response;
    const text = () => response.clone().text();
    await (await (contract ??= load())).check({ method, url, status, headers, text });
    return response;
  };
}
