type Listener = (event: never) => void;

/** A Worker of a browser, Deno or Bun, or of node:worker_threads: what both have. */
export interface WorkerLike {
  postMessage(message: unknown): void;
  terminate(): unknown;
  /** A browser's. */
  addEventListener?: (type: string, listener: Listener) => void;
  /** Node's. */
  on?: (type: string, listener: Listener) => unknown;
}

/** The other end, inside: a DedicatedWorkerGlobalScope, or node:worker_threads' parentPort. */
export type PortLike = Omit<WorkerLike, 'terminate'>;

export interface Hearing<Message> {
  readonly message: (message: Message) => void;
  /** The worker is no more, or can't be read. */
  readonly failed?: (error: Error) => void;
}

/** Hears what the other side says. */
export const listen = <Message>(
  port: PortLike,
  { message, failed = () => undefined }: Hearing<Message>,
): void => {
  const broken = (what: unknown): void =>
    failed(what instanceof Error ? what : new Error(`the worker failed: ${textOf(what)}`));
  if (port.on) {
    port.on('message', (data: Message) => message(data));
    port.on('messageerror', broken);
    port.on('error', broken);
    port.on('exit', (code: number) => broken(new Error(`the worker ended with code ${code}`)));
    return;
  }
  port.addEventListener?.('message', ({ data }: MessageEvent<Message>) => message(data));
  port.addEventListener?.('messageerror', broken);
  port.addEventListener?.('error', broken);
};

const textOf = (what: unknown): string =>
  typeof what === 'object' && what !== null && 'message' in what
    ? String(what.message)
    : String(what);
