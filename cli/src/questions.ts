import { createInterface } from 'node:readline/promises';
import type { Interface } from 'node:readline/promises';
import { CommandError } from './exit-code.ts';

/** Asks yes or no on stdin, one question at a time. */
export class Questions {
  readonly #say: (text: string) => void;
  #lines: Interface | undefined;
  #answers: AsyncIterator<string> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** True for yes, false for no; asks again on anything else. Rejects with CommandError where stdin ends. */
  ask(question: string): Promise<boolean> {
    const asking = this.#last.then(() => this.#ask(question));
    this.#last = asking.catch(() => undefined);
    return asking;
  }

  /** Lets go of stdin. */
  close(): void {
    this.#lines?.close();
  }

  async #ask(question: string): Promise<boolean> {
    this.#lines ??= createInterface({ input: process.stdin, terminal: false });
    this.#answers ??= this.#lines[Symbol.asyncIterator]();
    for (;;) {
      this.#say(question);
      const { value, done } = await this.#answers.next();
      if (done === true) {
        const why = 'nobody is there to answer: run it on a terminal, or with --yes';
        throw new CommandError('usage', why);
      }
      const answer = value.trim().toLowerCase();
      if (answer === 'yes' || answer === 'y') return true;
      if (answer === 'no' || answer === 'n') return false;
    }
  }
}
