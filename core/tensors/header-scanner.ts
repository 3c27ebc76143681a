import { tensorFault } from './fault.ts';
import type { TensorFault } from './fault.ts';

/** Thrown inside the parser, turned into a Result by `parseHeader`; never leaves core/tensors. */
export class HeaderError extends Error {
  readonly fault: TensorFault;
  constructor(fault: TensorFault) {
    super(fault.reason);
    this.fault = fault;
  }
}

const INTEGER = /0|[1-9][0-9]{0,63}/y;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/**
 * Reads the JSON of a safetensors header token by token, in linear time and without recursion. `JSON.parse` will not do:
 * it hides repeated keys, moves integer-like ones to the front, and gives `__proto__` a meaning.
 */
export class HeaderScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(expected: string): never {
    const next = this.#text[this.#at];
    const got = next === undefined ? 'the end' : `${JSON.stringify(next)} at character ${this.#at}`;
    throw new HeaderError({ reason: 'header-malformed', expected, got });
  }

  #space(): void {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? 'x')) this.#at++;
  }

  #take(token: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) this.#fail(`'${token}'`);
  }

  string(): string {
    this.#space();
    let end = this.#at + 1;
    if (this.#text.charCodeAt(this.#at) !== QUOTE) this.#fail('a string');
    while (end < this.#text.length && this.#text.charCodeAt(end) !== QUOTE) {
      end += this.#text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    }
    try {
      // JSON.parse knows the escapes, and refuses raw control characters and a missing quote.
      const value = JSON.parse(this.#text.slice(this.#at, end + 1)) as string;
      this.#at = end + 1;
      return value;
    } catch {
      this.#fail('a valid string');
    }
  }

  /** A plain non-negative integer below 2^53: no sign, fraction or exponent. */
  integer(): number {
    this.#space();
    INTEGER.lastIndex = this.#at;
    const digits = INTEGER.exec(this.#text)?.[0];
    if (digits === undefined) this.#fail('a non-negative integer');
    this.#at += digits.length;
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) {
      const got = `${digits.slice(0, 24)}${digits.length > 24 ? '…' : ''}`;
      throw new HeaderError({ reason: 'header-malformed', expected: 'an integer below 2^53', got });
    }
    return value;
  }

  integers(): number[] {
    const values: number[] = [];
    this.#expect('[');
    if (this.#take(']')) return values;
    do values.push(this.integer());
    while (this.#take(','));
    this.#expect(']');
    return values;
  }

  /** Calls `member` with each key; it reads the value. A repeated key is a fault. */
  object(member: (key: string) => void): void {
    const seen = new Set<string>();
    this.#expect('{');
    if (this.#take('}')) return;
    do {
      const key = this.string();
      if (seen.has(key)) {
        throw new HeaderError(tensorFault('duplicate-name', key, 'each name once', 'twice'));
      }
      seen.add(key);
      this.#expect(':');
      member(key);
    } while (this.#take(','));
    this.#expect('}');
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail('nothing more');
  }
}
