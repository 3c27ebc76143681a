/** What the Worker is bound to, as wrangler.toml and onprem/config.capnp name it. */
export interface Env {
  /** One per job: idFromName(job id). */
  readonly JOB: DurableObjectNamespace;
  /** One: idFromName('directory'). */
  readonly DIRECTORY: DurableObjectNamespace;
  /** One per uploaded blob: idFromName(digest). */
  readonly BLOB: DurableObjectNamespace;
  readonly ADMIN_TOKEN: string;
  /** 32 random bytes, in hex or base64url. Signs site tokens. */
  readonly TOKEN_KEY: string;
  /** The key before, while tokens signed with it are still about. */
  readonly TOKEN_KEY_PREVIOUS?: string;
  /** Origins that browsers may call from, separated by commas, or `*`. Absent: the server's own. */
  readonly ALLOWED_ORIGINS?: string;
  /** The Worker's own pages; without it there are none. */
  readonly ASSETS?: Fetcher;
  /** Where uploaded blobs and finished models may live instead of rows: R2 on Cloudflare, */
  readonly R2?: R2Bucket;
  /** or workerd's disk service on-prem. */
  readonly BLOBS?: Fetcher;
}
