import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, request as send } from 'node:http';
import type { IncomingMessage, RequestOptions, ServerResponse } from 'node:http';
import { timingSafeEqual } from 'node:crypto';
import { connect } from 'node:net';
import { LIMITS } from '../../../../core/protocol/limits.ts';
import { bytesOf, decodeMessage, encodeMessage, MessageError } from '../message.ts';
import type { Message } from '../message.ts';
import type { AgentPipe, Answerer, SitePipe } from '../pipe.ts';

/** A Unix socket, or a port of this machine alone. */
export type HttpAddress =
  | { readonly path: string }
  | { readonly port: number; readonly host?: string };

export interface HttpPipeOptions {
  /** Both ends know it: without it every user of the machine may speak as the agent through a port. */
  readonly token?: string | undefined;
}

const LOCAL = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);
const HERE = '127.0.0.1';

const isPath = (address: HttpAddress): address is { readonly path: string } => 'path' in address;

/** A site's end of HTTP on a Unix socket (its owner's only) or a port of 127.0.0.1. */
export const httpSitePipe = (address: HttpAddress, { token }: HttpPipeOptions = {}): SitePipe => ({
  async open(answer) {
    if (isPath(address)) await dropDeadSocket(address.path);
    else if (!LOCAL.has(address.host ?? HERE))
      throw new Error(`an agent's pipe is for this machine, not ${address.host}`);
    const server = createServer((request, response) => {
      void serve(request, response, { answer, token, tcp: !isPath(address) });
    });
    // A model may take longer than any fixed time; silence ends a connection all the same.
    server.requestTimeout = 0;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const listening = (): void => {
        server.off('error', reject);
        resolve();
      };
      if (isPath(address)) server.listen(address.path, listening);
      else server.listen(address.port, address.host ?? HERE, listening);
    });
    if (isPath(address)) await chmod(address.path, 0o600);
    return () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
  },
});

interface Door {
  readonly answer: Answerer;
  readonly token: string | undefined;
  readonly tcp: boolean;
}

const serve = async (
  request: IncomingMessage,
  response: ServerResponse,
  { answer, token, tcp }: Door,
): Promise<void> => {
  const refuse = (status: number, reason: string): void => {
    const body = JSON.stringify({ status: 'rejected', reason });
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    request.resume();
  };
  try {
    const { headers, method } = request;
    // A page of a stranger's in this machine's browser must not be able to speak here, nor one that renamed itself.
    if (headers.origin !== undefined) return refuse(403, 'not for browsers');
    if (tcp && !LOCAL.has((headers.host ?? '').replace(/:\d+$/, '')))
      return refuse(403, 'for this machine only');
    if (token !== undefined && !isSame(headers.authorization ?? '', `Bearer ${token}`))
      return refuse(401, 'no or another token');
    if (method !== 'POST') return refuse(405, 'POST a message');
    const type = headers['content-type'] ?? '';
    const reply = await answer(decodeMessage(type, await bodyOf(request)));
    await write(response, reply);
  } catch (error) {
    if (!response.headersSent && error instanceof MessageError) refuse(400, error.message);
    else response.destroy();
  }
};

const isSame = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** Piece by piece, as the reader takes them. */
const write = async (response: ServerResponse, message: Message): Promise<void> => {
  const encoded = encodeMessage(message);
  response.writeHead(200, {
    'content-type': encoded.type,
    'content-length': bytesOf(encoded),
  });
  await writeParts(response, encoded.parts);
};

const writeParts = async (
  out: NodeJS.WritableStream,
  parts: readonly Uint8Array[],
): Promise<void> => {
  for (const part of parts) {
    if (out.write(part)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        out.off('drain', go);
        out.off('close', go);
        resolve();
      };
      out.on('drain', go);
      out.on('close', go);
    });
  }
  out.end();
};

/** A whole body, into memory of its announced size. Rejects on one cut short (MessageError) or too large. */
const bodyOf = async (message: IncomingMessage): Promise<Uint8Array> => {
  const announced = Number(message.headers['content-length'] ?? NaN);
  if (!(announced <= LIMITS.blobBytes)) throw new MessageError('content-length: at most 4 GiB');
  const bytes = new Uint8Array(announced);
  let at = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== announced) throw new MessageError(`${announced} bytes announced, ${at} came`);
  return bytes;
};

/** What a killed site leaves: a socket that nobody listens to. A living one is left alone, and `listen` complains. */
const dropDeadSocket = async (path: string): Promise<void> => {
  const probe = connect(path);
  try {
    await once(probe, 'connect');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') await rm(path, { force: true });
  } finally {
    probe.destroy();
  }
};

/** An agent's end of HTTP. */
export const httpAgentPipe = (
  address: HttpAddress,
  { token }: HttpPipeOptions = {},
): AgentPipe => ({
  ask: (message, { signal, patienceMS }) =>
    new Promise((resolve, reject) => {
      const encoded = encodeMessage(message);
      const where: RequestOptions = isPath(address)
        ? { socketPath: address.path }
        : { host: address.host ?? HERE, port: address.port };
      const request = send({
        ...where,
        method: 'POST',
        path: '/',
        signal,
        timeout: patienceMS,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          'content-type': encoded.type,
          'content-length': bytesOf(encoded),
        },
      });
      request.once('error', reject);
      request.once('timeout', () => request.destroy(new Error('the site does not answer')));
      request.once('response', (response) => {
        bodyOf(response)
          .then((bytes) => {
            resolve(decodeMessage(response.headers['content-type'] ?? '', bytes));
          })
          .catch(reject);
      });
      writeParts(request, encoded.parts).catch(reject);
    }),
});
