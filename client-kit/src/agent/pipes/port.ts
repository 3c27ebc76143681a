import { decodeMessage, encodeMessage, joined } from '../message.ts';
import type { Message } from '../message.ts';
import type { AgentPipe, Answerer, SitePipe } from '../pipe.ts';

/** As much of a MessageEvent as a port needs: the types work where there is no DOM. */
export interface Heard {
  readonly data: unknown;
}

/** What a MessagePort, a Worker and a worker's own scope have in common. */
export interface Port {
  postMessage(data: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: Heard) => void): void;
  removeEventListener(type: 'message', listener: (event: Heard) => void): void;
  start?(): void;
}

/** On the wire: `id` pairs an answer with its question; both ends may have other traffic on the same port. */
interface Parcel {
  readonly tributary: 'ask' | 'answer';
  readonly id: string;
  readonly type: string;
  /** Empty: an answer by nobody. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const nobody = (id: string): Parcel => ({
  tributary: 'answer',
  id,
  type: '',
  bytes: new Uint8Array(0),
});

const send = (port: Port, kind: Parcel['tributary'], id: string, message: Message): void => {
  const encoded = encodeMessage(message);
  const parcel: Parcel = { tributary: kind, id, type: encoded.type, bytes: joined(encoded) };
  port.postMessage(parcel, [parcel.bytes.buffer]);
};

const parcelOf = ({ data }: Heard, kind: Parcel['tributary']): Parcel | undefined => {
  const parcel = data as Partial<Parcel> | null;
  return parcel?.tributary === kind && parcel.bytes instanceof Uint8Array
    ? (parcel as Parcel)
    : undefined;
};

/** A site's end of message ports. An agent that starts anew brings a new port: attach it, the old one may stay. */
export class PortSitePipe implements SitePipe {
  readonly #ports = new Set<Port>();
  #answer: Answerer | undefined;

  /** Listens to a port from now on. While no job is there, nobody answers. */
  attach(port: Port): void {
    this.#ports.add(port);
    port.addEventListener('message', (event) => void this.#heard(port, event));
    port.start?.();
  }

  open(answer: Answerer): Promise<() => Promise<void>> {
    this.#answer = answer;
    return Promise.resolve(() => {
      this.#answer = undefined;
      return Promise.resolve();
    });
  }

  async #heard(port: Port, event: Heard): Promise<void> {
    const parcel = parcelOf(event, 'ask');
    const answer = this.#answer;
    if (!parcel) return;
    if (!answer) return port.postMessage(nobody(parcel.id), []);
    let reply: Message;
    try {
      reply = await answer(decodeMessage(parcel.type, parcel.bytes));
    } catch (error) {
      reply = { head: { status: 'rejected', reason: (error as Error).message } };
    }
    send(port, 'answer', parcel.id, reply);
  }
}

/** An agent's end of a message port. */
export class PortAgentPipe implements AgentPipe {
  readonly #port: Port;

  constructor(port: Port) {
    this.#port = port;
    port.start?.();
  }

  ask(
    request: Message,
    { signal, patienceMS }: { signal: AbortSignal; patienceMS: number },
  ): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const id = crypto.randomUUID();
      const over = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        this.#port.removeEventListener('message', heard);
      };
      const stop = (): void => {
        over();
        reject(signal.reason as Error);
      };
      const heard = (event: Heard): void => {
        const parcel = parcelOf(event, 'answer');
        if (parcel?.id !== id) return;
        over();
        if (parcel.bytes.length === 0) return reject(new Error('no site listens'));
        try {
          resolve(decodeMessage(parcel.type, parcel.bytes));
        } catch (error) {
          reject(error);
        }
      };
      const timer = setTimeout(() => {
        over();
        reject(new Error('the site does not answer'));
      }, patienceMS);
      signal.addEventListener('abort', stop, { once: true });
      this.#port.addEventListener('message', heard);
      send(this.#port, 'ask', id, request);
    });
  }
}
