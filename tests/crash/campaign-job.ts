/** One job of a campaign; a campaign runs the same ones calm and stormy. */
export interface CampaignJob {
  /** For people. */
  readonly name: string;
  /** What is uploaded before it is submitted. */
  readonly blobs: readonly Uint8Array<ArrayBuffer>[];
  readonly spec: (sites: readonly string[]) => object;
  /** Digest of the final model where it can be computed without server and kit. */
  readonly expected?: (sites: readonly string[]) => string;
}
