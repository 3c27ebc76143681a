import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** When its last byte was here, on the clock of performance.now(). */
  readonly at: number;
  readonly bytes: number;
  text(): string;
}

/** What a request has besides its method and path. */
export interface Content {
  readonly token: string;
  readonly body?: Uint8Array;
  readonly type?: string;
}

const dial = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });

const END_OF_HEAD = Buffer.from('\r\n\r\n');

/**
 * One HTTP/1.1 connection that takes one request at a time, and is made again where the server has closed it because it
 * was idle. It does next to nothing, so that thousands of them in one process measure the server and not the client:
 * node:http takes several times as long for an answer.
 */
export class Connection {
  readonly #port: number;
  #socket: Socket;
  #settle: { resolve(answer: Answer): void; reject(error: Error): void } | null = null;
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  /** Bytes of the body still to come; null while the head isn't whole. */
  #left: number | null = null;
  #body: Buffer[] = [];

  private constructor(port: number, socket: Socket) {
    this.#port = port;
    this.#socket = this.#listen(socket);
  }

  static async open(port: number): Promise<Connection> {
    return new Connection(port, await dial(port));
  }

  /** Sends a request and resolves with the answer, whatever its status. Rejects where the connection breaks. */
  async ask(method: string, path: string, { token, body, type }: Content): Promise<Answer> {
    if (this.#settle) throw new Error('a request is under way');
    if (this.#socket.destroyed) this.#socket = this.#listen(await dial(this.#port));
    const content = body ? `content-type: ${type}\r\ncontent-length: ${body.length}\r\n` : '';
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n${content}\r\n`,
    );
    if (body) this.#socket.write(body);
    return answer;
  }

  #listen(socket: Socket): Socket {
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
    return socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let rest = bytes;
    if (this.#left === null) {
      const all = this.#head.length > 0 ? Buffer.concat([this.#head, bytes]) : bytes;
      const end = all.indexOf(END_OF_HEAD);
      if (end < 0) {
        this.#head = all;
        return;
      }
      const head = all.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
      if (length === undefined && this.#status !== 204) {
        this.#fail(new Error(`an answer of unknown length: ${head}`));
        return;
      }
      this.#left = Number(length ?? 0);
      this.#head = Buffer.alloc(0);
      rest = all.subarray(end + END_OF_HEAD.length);
    }
    this.#left -= rest.length;
    if (rest.length > 0) this.#body.push(rest);
    if (this.#left <= 0) this.#done();
  }

  #done(): void {
    const body = this.#body;
    const bytes = body.reduce((sum, piece) => sum + piece.length, 0);
    const settle = this.#settle;
    this.#settle = null;
    this.#left = null;
    this.#body = [];
    const text = (): string => Buffer.concat(body).toString();
    settle?.resolve({ status: this.#status, at: performance.now(), bytes, text });
  }

  #fail(error: Error): void {
    this.#settle?.reject(error);
    this.#settle = null;
  }
}
