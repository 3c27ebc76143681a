import type { Caller } from '../core/protocol/caller.ts';
import type { Fault } from '../core/protocol/fault.ts';
import { FAULT_HEADER } from '../durable/http/fault-response.ts';
import { CALLER_HEADER } from '../durable/job/job-requests.ts';
import { Refusal } from './problem.ts';

/**
 * Hands a request to an object with its body unread, and gives back the object's answer as it streams. A refusal of
 * the object's is thrown, to become a problem in the one place for that.
 */
export async function forward(
  to: { fetch(request: Request): Promise<Response> },
  path: string,
  request: Request,
  caller: Caller,
): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.delete('authorization');
  // Objects trust this header: whatever a caller wrote there goes.
  headers.set(CALLER_HEADER, JSON.stringify(caller));
  const inner = new Request(new Request(`http://object${path}`, request), { headers });
  const response = await to.fetch(inner);
  if (!response.headers.has(FAULT_HEADER)) return response;
  if (request.method !== 'HEAD') throw new Refusal(await response.json<Fault>());
  // The answer to a HEAD has no body, so it can't say why it refuses; the same question as a GET can.
  return forward(to, path, new Request(request, { method: 'GET' }), caller);
}
