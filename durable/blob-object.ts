import { DurableObject } from 'cloudflare:workers';
import { LIMITS } from '../core/protocol/limits.ts';
import { BlobKeeper } from './blobs/blob-keeper.ts';
import type { Env } from './env.ts';
import { faultResponse } from './http/fault-response.ts';

/**
 * One uploaded blob (idFromName(its digest)): streamed into rows, hashed there, committed when the digest matches. It knows
 * the jobs that hold it; with none for LIMITS.blobGraceMS its alarm deletes it. PImpl: a TypeScript-private method could be
 * called over RPC.
 */
export class BlobObject extends DurableObject<Env> {
  readonly #keeper: BlobKeeper;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#keeper = new BlobKeeper(ctx.storage, env, Date.now);
  }

  /** PUT, GET and HEAD of `/blobs/:digest`, already authorised. A refusal carries `x-tributary-fault`. */
  override async fetch(request: Request): Promise<Response> {
    const digest = new URL(request.url).pathname.split('/').at(-1) ?? '';
    if (request.method === 'PUT') return this.#keeper.put(digest, request);
    if (request.method === 'GET' || request.method === 'HEAD') return this.#keeper.get(request);
    return faultResponse({ reason: 'method-not-allowed', allow: ['GET', 'HEAD', 'PUT'] });
  }

  /** The blob's size, or null where there is none (yet). */
  stat(): { bytes: number } | null {
    return this.#keeper.stat();
  }

  /** Its first bytes, at most `maxBytes` (and the longest safetensors header): to look at a header at submission. */
  async head(maxBytes: number): Promise<Uint8Array | null> {
    return this.#keeper.head(Math.min(maxBytes, LIMITS.headerBytes + 8));
  }

  /** Keeps the blob for a job. Idempotent. -> false where there is no blob to keep */
  async hold(job: string): Promise<boolean> {
    return this.#keeper.hold(job);
  }

  /** The job no longer needs it. Idempotent. */
  async release(job: string): Promise<void> {
    return this.#keeper.release(job);
  }

  override async alarm(): Promise<void> {
    await this.#keeper.alarm();
  }
}
