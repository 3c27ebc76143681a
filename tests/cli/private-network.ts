// A network as a hospital has it: a server under a name that only the proxy knows, and a CA that nobody else trusts.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';

/** Makes a CA and a certificate of it for a name, in a folder: `ca.pem`, `server.pem`, `server.key`. */
export function certificates(folder: string, name: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=A private CA'];
  openssl('req', '-x509', ...key, ...authority, '-days', '2');
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', `/CN=${name}`);
  writeFileSync(join(folder, 'names'), `subjectAltName=DNS:${name},DNS:localhost`);
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
  openssl('x509', '-req', '-in', 'server.csr', ...signing, '-days', '2', '-out', 'server.pem');
}

const portOf = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const joined = (one: Socket, other: Socket): void => {
  one.pipe(other);
  other.pipe(one);
  for (const socket of [one, other]) {
    socket.on('error', () => {
      one.destroy();
      other.destroy();
    });
  }
};

/** TLS in front of a port of this machine, with the certificate of `certificates`. */
export async function tlsFront(
  folder: string,
  port: number,
): Promise<{ port: number; close: () => void }> {
  const [key, cert] = ['server.key', 'server.pem'].map((file) => readFileSync(join(folder, file)));
  const server = createTlsServer({ key, cert }, (socket) => joined(socket, connect(port)));
  server.on('tlsClientError', () => undefined);
  return { port: await portOf(server), close: () => server.close() };
}

/** A proxy for CONNECT that knows one name, as `host:port`; anything else it refuses. */
export async function connectProxy(
  name: string,
  port: number,
): Promise<{ url: string; asked: string[]; close: () => void }> {
  const asked: string[] = [];
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', ({ url = '' }, socket: Socket, head: Buffer) => {
    asked.push(url);
    if (url !== name) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const up = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      up.write(head);
      joined(socket, up);
    });
  });
  return { url: `http://127.0.0.1:${await portOf(server)}`, asked, close: () => server.close() };
}
