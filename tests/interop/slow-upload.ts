import { request } from 'node:http';
import type { ClientRequest } from 'node:http';

interface SlowAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** An upload that stops halfway until it is told to go on. */
export class SlowUpload {
  readonly #request: ClientRequest;
  readonly #rest: Uint8Array;
  readonly #answer: Promise<SlowAnswer>;

  private constructor(request: ClientRequest, rest: Uint8Array, answer: Promise<SlowAnswer>) {
    this.#request = request;
    this.#rest = rest;
    this.#answer = answer;
    // It may be awaited late, or (after `cut`) never.
    answer.catch(() => undefined);
  }

  /** Sends the first half of a body, and resolves when it is on its way. */
  static async begin(
    url: string,
    token: string,
    body: Uint8Array,
    method = 'POST',
  ): Promise<SlowUpload> {
    const sent = request(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/x-safetensors',
        'content-length': body.length,
      },
      agent: false,
    });
    const answer = new Promise<SlowAnswer>((resolve, reject) => {
      sent.once('error', reject);
      sent.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text += piece));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }),
        );
      });
    });
    const half = body.length >> 1;
    const upload = new SlowUpload(sent, body.subarray(half), answer);
    await new Promise<void>((resolve) => sent.write(body.subarray(0, half), () => resolve()));
    // Let the server get into the middle of it.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return upload;
  }

  /** Sends the rest. -> the server's answer */
  finish(): Promise<SlowAnswer> {
    this.#request.end(this.#rest);
    return this.#answer;
  }

  /** The network is gone. */
  cut(): void {
    this.#request.destroy();
  }
}
