/** A Worker of a browser, Deno or Bun, or of node:worker_threads: what both have. */
export interface WorkerLike extends PortLike {
  terminate(): unknown;
}

/** The other end, inside: a DedicatedWorkerGlobalScope, or node:worker_threads' parentPort; and of a worker, outside. */
export interface PortLike {
  postMessage(message: unknown): void;
  /** A browser's. Its listeners are typed event by event: see `listen`. */
  addEventListener?: unknown;
  /** Node's. */
  on?: unknown;
}

type On = (type: string, listener: (what: never) => void) => unknown;

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
  const node = typeof port.on === 'function';
  const on: On = ((node ? port.on : port.addEventListener) as On).bind(port);
  on('message', (what: Message & MessageEvent<Message>) => message(node ? what : what.data));
  on('messageerror', broken);
  on('error', broken);
  if (node) on('exit', (code: number) => broken(new Error(`the worker ended with code ${code}`)));
};

const textOf = (what: unknown): string =>
  typeof what === 'object' && what !== null && 'message' in what
    ? String(what.message)
    : String(what);
