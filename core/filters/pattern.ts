import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';

/** More states than a pattern may come to, once `{m,n}` is written out: with the length of a name they bound a match. */
const MOST_STATES = 512;

type Node =
  | { readonly kind: 'char'; readonly text: string }
  | { readonly kind: 'assertion'; readonly text: string }
  | { readonly kind: 'all'; readonly of: readonly Node[] }
  | { readonly kind: 'any'; readonly of: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly min: number; readonly max: number };

/** Goes on without a character to all of `next`, where `when` holds; with one that `is` if it takes one. */
interface State {
  next: readonly number[];
  readonly is?: (code: number) => boolean;
  readonly when?: ((text: string, at: number) => boolean) | undefined;
}

class PatternError extends Error {}

const CHAR = /\[\^?(?:\\.|[^\\\]])*\]|\\[dDwWsS]|\\[^\w]|[^\\^$()|*+?{}[]/y;
const ASSERTION = /\^|\$|\\b|\\B/y;
const QUANTIFIER = /(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y;
const GROUP = /\((?:\?:)?(?!\?)/y;

/** Reads a pattern that JavaScript takes. */
class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  #take(token: RegExp): RegExpExecArray | null {
    token.lastIndex = this.#at;
    const found = token.exec(this.#source);
    if (found) this.#at += found[0].length;
    return found;
  }

  pattern(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#source.length) this.#odd();
    return node;
  }

  #odd(): never {
    throw new PatternError(`no '${this.#source.slice(this.#at, this.#at + 3)}'`);
  }

  #alternatives(): Node {
    const of = [this.#sequence()];
    while (this.#take(/\|/y)) of.push(this.#sequence());
    return { kind: 'any', of };
  }

  #sequence(): Node {
    const of: Node[] = [];
    for (let node = this.#item(); node; node = this.#item()) {
      const by = this.#take(QUANTIFIER);
      if (!by) of.push(node);
      else {
        const [, sign, least, comma, most] = by;
        const min = sign ? Number(sign === '+') : Number(least);
        const max = sign ? (sign === '?' ? 1 : Infinity) : comma ? Number(most || Infinity) : min;
        of.push({ kind: 'repeat', of: node, min, max });
      }
    }
    return { kind: 'all', of };
  }

  #item(): Node | undefined {
    const assertion = this.#take(ASSERTION);
    if (assertion) return { kind: 'assertion', text: assertion[0] };
    const char = this.#take(CHAR);
    if (char) return { kind: 'char', text: char[0] };
    if (!this.#take(GROUP)) return undefined;
    const inner = this.#alternatives();
    if (!this.#take(/\)/y)) this.#odd();
    return inner;
  }
}

/** Whether a character is one that a piece of a pattern stands for. */
const charOf = (text: string): ((code: number) => boolean) => {
  const one = new RegExp(`^${text}$`);
  const is = (code: number): boolean => one.test(String.fromCharCode(code));
  const ascii = Uint8Array.from({ length: 128 }, (_, code) => Number(is(code)));
  return (code) => (code < 128 ? ascii[code] === 1 : is(code));
};

const inWord = (text: string, at: number): boolean => /\w/.test(text.charAt(at));
const onEdge = (text: string, at: number): boolean => inWord(text, at - 1) !== inWord(text, at);
const ASSERTIONS: Readonly<Record<string, State['when']>> = {
  '^': (_, at) => at === 0,
  $: (text, at) => at === text.length,
  '\\b': onEdge,
  '\\B': (text, at) => !onEdge(text, at),
};

/** Thompson's construction: state 0 is the end. -> all states, and the first */
const statesOf = (pattern: Node): { states: readonly State[]; first: number } => {
  const states: State[] = [{ next: [] }];
  const add = (state: State): number => {
    if (states.length >= MOST_STATES) throw new PatternError('it comes to too much');
    return states.push(state) - 1;
  };
  const build = (node: Node, next: number): number => {
    if (node.kind === 'char') return add({ is: charOf(node.text), next: [next] });
    if (node.kind === 'assertion') return add({ when: ASSERTIONS[node.text], next: [next] });
    if (node.kind === 'any') return add({ next: node.of.map((one) => build(one, next)) });
    if (node.kind === 'all') return node.of.reduceRight((after, one) => build(one, after), next);
    const { min, max, of } = node;
    let first = next;
    if (max === Infinity) {
      first = add({ next: [] });
      (states[first] as State).next = [build(of, first), next];
    } else for (let i = min; i < max; i++) first = add({ next: [build(of, first), next] });
    for (let i = 0; i < min; i++) first = build(of, first);
    return first;
  };
  const first = build(pattern, 0);
  return { states, first };
};

/**
 * A regular expression's test, found anywhere in a text, in time that grows with the text's length and never with powers of
 * it: all ways to match are followed at once (Thompson 1968). JavaScript's syntax without back references, lookaround,
 * named groups and escapes of code points; or why it is none of that.
 */
export const compilePattern = (source: string): Result<(text: string) => boolean, string> => {
  try {
    const { source: valid } = new RegExp(source);
    const { states, first } = statesOf(new Reader(valid).pattern());
    return ok((text) => matches(states, first, text));
  } catch (error) {
    return err(error instanceof PatternError ? error.message : 'no regular expression');
  }
};

const matches = (states: readonly State[], first: number, text: string): boolean => {
  const seen = new Int32Array(states.length).fill(-1);
  let taking: number[] = [];
  for (let at = 0; at <= text.length; at++) {
    const before = taking;
    taking = [];
    const open = [first];
    const code = text.charCodeAt(at - 1);
    for (const id of before) {
      const { is, next } = states[id] as State;
      if (is?.(code)) open.push(...next);
    }
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (id === 0) return true;
      if (seen[id] === at) continue;
      seen[id] = at;
      const { is, when, next } = states[id] as State;
      if (is) taking.push(id);
      else if (!when || when(text, at)) open.push(...next);
    }
  }
  return false;
};
