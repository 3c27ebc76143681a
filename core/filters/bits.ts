/** A set of numbers from 0 to below `size`, one bit each. */
export class Bits {
  readonly size: number;
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  has(i: number): boolean {
    return ((this.#words[Math.floor(i / 32)] as number) & (1 << (i % 32))) !== 0;
  }

  add(i: number): void {
    const at = Math.floor(i / 32);
    this.#words[at] = (this.#words[at] as number) | (1 << (i % 32));
  }
}
