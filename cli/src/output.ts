import { styleText } from 'node:util';
import type { Failure } from './exit-code.ts';

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Output {
  readonly json: boolean;
  /** Whether stderr is a terminal. */
  readonly terminal: boolean;
  /** The command's one result: as JSON with `--json`, else as text. */
  readonly result: (value: unknown, text: string) => void;
  /** A line about what is going on. */
  readonly progress: (line: string) => void;
  /** A line that the next one takes the place of: on a terminal only. */
  readonly passing: (line: string) => void;
  readonly failure: (failure: Failure) => void;
}

type Write = (text: string) => void;

/** Begins the line anew. */
const AFRESH = '\r\u001b[K';

/** `terminal`: whether stderr is one, so that a line can be taken back. */
export const outputTo = (json: boolean, stdout: Write, stderr: Write, terminal = false): Output => {
  let passing = false;
  const say: Write = (text) => {
    stderr(passing ? `${AFRESH}${text}` : text);
    passing = false;
  };
  return {
    json,
    terminal,
    result: (value, text) => {
      if (passing) say('');
      stdout(json ? `${JSON.stringify(value)}\n` : `${text}\n`);
    },
    progress: (line) => say(`${line}\n`),
    passing: (line) => {
      if (!terminal) return;
      say(line);
      passing = true;
    },
    failure: ({ message, hints, json: value }) => {
      if (json) return say(`${JSON.stringify({ error: value })}\n`);
      say(
        `${styleText('red', 'error:', { stream: process.stderr })} ${[message, ...hints].join('\n')}\n`,
      );
    },
  };
};

/** Rows of text as aligned columns under a head; numbers to the right. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const numeric = head.map((_, i) => rows.every((row) => /^[-+\d.,%]*$/.test(row[i] ?? '')));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
};

/** Text from elsewhere on one line, its control characters escaped: a site must not speak to whoever watches a terminal. */
export const plainLine = (text: string): string =>
  text.replace(/\p{Cc}/gu, (c) => {
    const escaped = JSON.stringify(c).slice(1, -1);
    return escaped === c ? `\\u00${c.charCodeAt(0).toString(16)}` : escaped;
  });

/** A number of bytes for people, in powers of 1024. */
export const bytesText = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
};

/** A time (milliseconds since 1970) for people, in UTC to the second. */
export const timeText = (ms: number | null): string =>
  ms === null
    ? '-'
    : new Date(ms)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
