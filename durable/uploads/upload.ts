import type { Hash } from 'node:crypto';
import type { Kernel } from '../../core/aggregators/kernel.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { headerLength, parseHeader, PREFIX_BYTES } from '../../core/tensors/header.ts';
import type { Layout } from '../../core/tensors/layout.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import type { ByteSource } from '../bytes/body.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';
import { nonFiniteProblem, tensorProblem } from '../http/content-fault.ts';
import { firstNonFinite } from '../bytes/spans.ts';
import type { NonFinite } from '../bytes/spans.ts';

/** The front of a safetensors file, checked. */
export interface Head {
  readonly layout: Layout;
  /** As it came: 8 bytes and the JSON. */
  readonly prefix: OwnedBytes;
  readonly json: OwnedBytes;
  readonly headBytes: number;
  /** Of the whole file, as the header has it. */
  readonly fileBytes: number;
}

const truncated = (expected: number, got: number): Fault =>
  tensorProblem({ reason: 'truncated', expected: `${expected} bytes`, got: `${got}` });

/** Reads a safetensors file's header, of at most `limit` bytes of JSON, from the start of a body. */
export const readHead = async (source: ByteSource, limit: number): Promise<Result<Head, Fault>> => {
  const prefix = await source.take(PREFIX_BYTES);
  const length = headerLength(prefix, limit);
  if (!length.ok) return err(tensorProblem(length.error));
  const json = await source.take(length.value);
  const headBytes = PREFIX_BYTES + length.value;
  if (json.length < length.value) return err(truncated(headBytes, PREFIX_BYTES + json.length));
  const layout = parseHeader(json, { maxTensors: LIMITS.tensors });
  if (!layout.ok) return err(tensorProblem(layout.error));
  const fileBytes = headBytes + layout.value.dataBytes;
  return ok({ layout: layout.value, prefix, json, headBytes, fileBytes });
};

export interface Staging {
  readonly rows: ChunkRows;
  readonly run: number;
  /** Refuses NaN and infinity on the way. */
  readonly finite?: Kernel;
  /** Refuses more, on the way too: what the bytes at `from` stand for. */
  readonly check?: ((from: number, bytes: Uint8Array) => NonFinite | undefined) | undefined;
  readonly hash?: Hash;
  /** Asked before each row: `true` ends it, quietly. */
  readonly cancelled?: () => boolean;
}

/** Stages the data region behind a header into a run, in rows of 1 MiB counted from its first byte, and no byte more. */
export const stageData = async (
  source: ByteSource,
  { layout, headBytes, fileBytes }: Pick<Head, 'layout' | 'headBytes' | 'fileBytes'>,
  { rows, run, finite, check, hash, cancelled }: Staging,
): Promise<Result<void, Fault>> => {
  let buffer = new ArrayBuffer(Math.min(LIMITS.rowBytes, layout.dataBytes));
  for (let at = 0; at < layout.dataBytes; at += LIMITS.rowBytes) {
    const piece = Math.min(LIMITS.rowBytes, layout.dataBytes - at);
    const bytes = await source.take(piece, buffer);
    if (cancelled?.()) return ok(undefined);
    if (bytes.length < piece) return err(truncated(fileBytes, headBytes + at + bytes.length));
    const bad = (finite && firstNonFinite(finite, layout, at, bytes)) ?? check?.(at, bytes);
    if (bad) return err(nonFiniteProblem(bad));
    rows.put(run, at / LIMITS.rowBytes, bytes);
    hash?.update(bytes);
    buffer = bytes.buffer;
  }
  buffer.transfer(0); // now, not when the collector finds it: uploads follow one another
  return (await source.take(1)).length === 0 ? ok(undefined) : err(tooLong(fileBytes));
};

const tooLong = (fileBytes: number): Fault =>
  tensorProblem({ reason: 'length-mismatch', expected: `${fileBytes} bytes`, got: 'more' });

/** Refuses a body whose `Content-Length` isn't what its header says, before anything is staged. */
export const checkLength = (
  { fileBytes }: Pick<Head, 'fileBytes'>,
  length: number | null,
): Result<void, Fault> => {
  if (length === null || length === fileBytes) return ok(undefined);
  return err(length < fileBytes ? truncated(fileBytes, length) : tooLong(fileBytes));
};
