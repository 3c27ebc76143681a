import type { Message } from './message.ts';

/** Answers a request; never rejects. */
export type Answerer = (request: Message) => Promise<Message>;

/**
 * A site's end of a pipe: what FLARE's Pipe is to its TaskExchanger. A pipe carries questions and answers, and may lose
 * either; it keeps nothing.
 */
export interface SitePipe {
  /** Lets agents in. Gives what shuts the door; rejects where it can't be opened (address in use). */
  open(answer: Answerer): Promise<() => Promise<void>>;
}

/** An agent's end of a pipe. */
export interface AgentPipe {
  /**
   * Asks once. Rejects where no answer comes: nobody is there, the connection broke, or the signal aborted. `patienceMS`
   * without a sign of life is no answer.
   */
  ask(request: Message, options: { signal: AbortSignal; patienceMS: number }): Promise<Message>;
  close?(): void;
}
