/** What a site process is told on its command line. */
export interface SiteJob {
  readonly server: string;
  readonly name: string;
  readonly enrolment: string;
  /** Where it keeps its token and its unsent results. */
  readonly dir: string;
  /** Append-only file of what the server acknowledged. */
  readonly ledger: string;
}
