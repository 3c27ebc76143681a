import { moveCursor, clearScreenDown } from 'node:readline';
import { styleText } from 'node:util';

const BAR = 16;
const FRAME_MS = 100;

/** A bar of text, `fraction` of it full. */
export const bar = (fraction: number): string => {
  const full = Math.round(BAR * Math.min(1, Math.max(0, fraction)));
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
};

/**
 * Lines that stay, and below them (on a terminal) rows that are redrawn in place. Without a terminal only the lines that
 * stay are written.
 */
export class Progress {
  readonly live: boolean;
  readonly #stream: NodeJS.WriteStream;
  readonly #rows = new Map<string, string>();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.live = stream.isTTY;
  }

  line(text = ''): void {
    this.#erase();
    this.#stream.write(`${text}\n`);
    this.#draw();
  }

  heading(text: string): void {
    this.line(`\n${styleText('bold', text, { stream: this.#stream })}`);
  }

  /** Sets a row that is redrawn; rows stand in the order in which they first came. */
  row(name: string, text: string): void {
    if (!this.live) return;
    this.#rows.set(name, text);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#erase();
      this.#draw();
    }, FRAME_MS);
  }

  /** Takes all rows away. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#erase();
    this.#rows.clear();
  }

  #erase(): void {
    if (this.#drawn === 0) return;
    moveCursor(this.#stream, 0, -this.#drawn);
    clearScreenDown(this.#stream);
    this.#drawn = 0;
  }

  #draw(): void {
    const width = this.#stream.columns || 80;
    for (const text of this.#rows.values()) this.#stream.write(`${text.slice(0, width - 1)}\n`);
    this.#drawn = this.#rows.size;
  }
}
