import { MAX_NAME } from '../tensors/layout.ts';

/**
 * Every limit of the product, once, with its reason. Server, kit and CLI read the same numbers.
 * Bytes and counts unless the name says seconds (`S`) or milliseconds (`MS`).
 */
const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

export const LIMITS = {
  /** Cloudflare's SQLite takes rows up to 2 MB; local workerd enforces nothing, so the insert point asserts this. */
  rowBytes: MiB,
  /** A journal value is replayed on every turn of a round: it stays small; tensors travel as references. */
  journalValueBytes: 64 * KiB,
  /** One reply's JSON (metrics, meta, return code): it becomes part of an op's outcome. */
  replyJsonBytes: 64 * KiB,
  /** safetensors JSON header. 100,000 tensors of 100-byte names fit; parsing it is synchronous CPU. */
  headerBytes: 8 * MiB,
  /** Tensors in one file: bounds the cost of validation and of the fold's per-tensor loop. */
  tensors: 100_000,
  /** Name of a tensor, in UTF-16 units: the room of tensors, which sees no other, has the number. */
  tensorNameLength: MAX_NAME,
  /** A job spec in JSON: manifests of a few hundred tensors fit; programs are blobs. */
  specBytes: MiB,
  /** Workflows of one job, one after another. With the next three it bounds the pairs that admission compares. */
  workflows: 64,
  /** Executors of one job, the first that matches wins. */
  executors: 256,
  /** Programs of a job: each is a blob that the job's creation visits, and a request may make 1,000 such visits. */
  programs: 64,
  /** Filters of one job, all that match apply. */
  filters: 256,
  /** Globs in one list, of sites or tasks. */
  patterns: 1000,
  /** A glob, in UTF-16 units: twice a site's name, for a site's name and a few stars. */
  patternLength: 128,
  /** A name in a program's manifest, in UTF-16 units: exporters make long ones of module paths. */
  graphNameLength: 512,
  /** Any other JSON body. */
  jsonBytes: 256 * KiB,
  /** How deep a JSON body nests: everything behind the parser may recurse, and our documents nest eight deep. */
  jsonDepth: 64,
  /** Entries in one metrics batch: one transaction. */
  metricsBatch: 1000,
  /** Metric key, in UTF-16 units. */
  metricKeyLength: 128,
  /** A result's metric, its sum and its mean: those of all sites of a job together are still finite. */
  metricSize: 1e300,
  /** Text as a metric's value, in UTF-16 units: a line of a log, not a file. */
  metricTextLength: 4096,
  /** Fields of a record that a site sends (a metric of several values, its capabilities): lists hold a thousand of them. */
  fields: 64,
  /** Text as a site's capability, in UTF-16 units: what a browser calls itself fits. */
  capabilityLength: 512,
  /** Values that a site holds back while the server can't be reached; the oldest go first. */
  metricsWaiting: 10_000,
  /** Metric entries kept a job; older ones go and leave a visible gap. */
  metricsKept: 100_000,
  /** Event rows kept a job; a reader who resumes before the oldest sees a `gap` event. */
  eventsKept: 10_000,
  /** Sites in one job: bounds one object's waiting polls and its turns, which look at each. */
  sitesPerJob: 5000,
  /** Staged results and kept models of one job: an object holds 10 GB, the rest is room for deletes and WAL. */
  jobBytes: 8 * GiB,
  /** One uploaded blob (its object holds 10 GB). */
  blobBytes: 4 * GiB,
  /** Above this the kit uploads in parts: Cloudflare's free and pro plans cap a request body at 100 MB. */
  partThresholdBytes: 32 * MiB,
  /** Bodies in parts that one site may have begun for one task: the one it sends, and one it gave up for another. */
  partialsKept: 2,
  /** One part of an upload. */
  partBytes: 64 * MiB,
  /** Headers and rows of all uploads that one object reads at once; more wait their turn. The process takes thrice that. */
  uploadBufferBytes: 12 * MiB,
  /** Uploads of one result by one site at once: the ghosts of broken connections, and the next try. */
  uploadsPerResult: 4,
  /** Rows of all downloads that one object has in memory; more of them wait their turn. */
  downloadBufferBytes: 16 * MiB,
  /** A download whose reader takes no MiB for this long is ended: others wait for its memory. It can go on by Range. */
  downloadStallMS: 60_000,
  /** An upload that brings no MiB for this long is given up: it would keep its buffer for ever. */
  uploadStallMS: 120_000,
  /** Input folded in one turn. Never a time: on Cloudflare the clock stands still while code runs. */
  foldSliceBytes: 64 * MiB,
  /** Rows deleted in one clean-up slice. */
  deleteRows: 256,
  /** Longest wait of a long poll: proxies cut at 30 to 60 s. */
  waitS: 25,
  /** A device that says nothing for this long loses its lease. It renews every third of it. */
  leaseS: 60,
  /** With no activity for this long an object stops holding polls: a waiting poll is billed object time. */
  idlePollMS: 10 * 60 * 1000,
  /** A superseded model stays readable this long after its tasks closed: a slow download may be under way. */
  modelGraceMS: 10 * 60 * 1000,
  /** A blob that no job holds is deleted after this long. */
  blobGraceMS: 7 * 24 * 3600 * 1000,
  /** An Idempotency-Key is remembered this long. */
  idempotencyMS: 24 * 3600 * 1000,
  /** Idempotency-Key, in UTF-16 units. */
  idempotencyKeyLength: 255,
  /** A job's name, in UTF-16 units: it stands in lists, which show a line of it. */
  jobNameLength: 128,
  /** Jobs that one inbox answer names: a site takes up a few at once, and a poll of each is a request. */
  inboxJobs: 100,
  /** Sites that one enrolment token may enrol: the million that the design looks to. */
  enrolmentUses: 1_000_000,
  /** How long an enrolment token may last: whoever finds an older one must not get in. */
  enrolmentS: 365 * 86_400,
  /** FLARE's meta.NUM_STEPS_CURRENT_ROUND above this is a mistake, not a weight. */
  stepsPerRound: 1e9,
  /** What a workflow comes to, in JSON: every view of the job brings it. Some 400 sites' cross-site table. */
  workflowResultBytes: 16 * MiB,
  /** Sites in one cross-site evaluation: it has their square of cells. */
  crossSiteSites: 256,
  /** A weight in the args of fed-avg: times stepsPerRound and summed over all sites it stays far from infinity. */
  weightFactor: 1e9,
  /** A duration in a workflow's args, in seconds: deadlines stay safe integers of milliseconds, and a year is a mistake. */
  durationS: 365 * 86_400,
  /** Rounds of one workflow. */
  rounds: 100_000,
  /** Default and largest page of a list. */
  pageDefault: 100,
  pageMax: 1000,
  /** Rounds that one turn may pass without waiting for anything: a workflow that never waits is a loop. */
  roundsPerTurn: 100,
} as const;
