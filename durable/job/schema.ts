import { FILTER_TABLES } from '../filtering/data-filter.ts';
import { FOLD_TABLES } from '../folding/folding.ts';
import { ARCHIVE_TABLES } from '../models/model-archive.ts';
import { MODEL_TABLES } from '../models/model-store.ts';
import { RESULT_TABLES } from '../results/result-store.ts';

/** The engine's own tables of a JobObject. Every column is explained in STORAGE.md. */
const ENGINE_TABLES: readonly string[] = [
  `CREATE TABLE job (
     one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, name TEXT NOT NULL,
     status TEXT NOT NULL, reason TEXT, cause TEXT, version INTEGER NOT NULL, seq INTEGER NOT NULL,
     cloned TEXT, submitted INTEGER NOT NULL, started INTEGER, finished INTEGER, active INTEGER NOT NULL,
     position INTEGER NOT NULL, pinned INTEGER, state TEXT, round INTEGER, rounds INTEGER, parked TEXT,
     tasks INTEGER NOT NULL, metrics TEXT NOT NULL,
     joined INTEGER NOT NULL DEFAULT 0)`,
  `CREATE TABLE spec (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL)`,
  `CREATE TABLE alarm (one INTEGER PRIMARY KEY CHECK (one = 1), due INTEGER, sweep INTEGER)`,
  `INSERT INTO alarm (one) VALUES (1)`,
  `CREATE TABLE journal (seq INTEGER PRIMARY KEY, op TEXT NOT NULL, value TEXT NOT NULL)`,
  `CREATE TABLE workflow_results (
     position INTEGER NOT NULL, part INTEGER NOT NULL, id TEXT NOT NULL, bytes BLOB NOT NULL,
     PRIMARY KEY (position, part))`,
  `CREATE TABLE sites (
     name TEXT PRIMARY KEY, generation INTEGER NOT NULL, status TEXT NOT NULL,
     joined INTEGER, seen INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE tasks (
     n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow TEXT NOT NULL, request TEXT NOT NULL)`,
  `CREATE TABLE task_states (
     n INTEGER PRIMARY KEY, state TEXT NOT NULL, anyone INTEGER NOT NULL, opened INTEGER NOT NULL,
     offered INTEGER NOT NULL, deadline INTEGER, enough INTEGER, params TEXT, due INTEGER,
     ok INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, spared INTEGER NOT NULL DEFAULT 0,
     closed INTEGER, status TEXT, model TEXT, reason TEXT)`,
  `CREATE INDEX task_standings ON task_states (state, due)`,
  `CREATE TABLE assignments (
     task INTEGER NOT NULL, site TEXT NOT NULL, state TEXT NOT NULL, lease INTEGER, reason TEXT,
     spared INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (task, site)) WITHOUT ROWID`,
  `CREATE INDEX assignment_states ON assignments (task, state, lease)`,
  `CREATE INDEX live_leases ON assignments (lease) WHERE state = 'working'`,
  `CREATE TABLE replies (
     task INTEGER NOT NULL, site TEXT NOT NULL, code TEXT NOT NULL, header TEXT NOT NULL, weight REAL NOT NULL,
     upload TEXT, model TEXT, received INTEGER NOT NULL, PRIMARY KEY (task, site)) WITHOUT ROWID`,
  `CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, data TEXT NOT NULL, time INTEGER NOT NULL)`,
  `CREATE TABLE metrics (
     id INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT NOT NULL,
     value TEXT NOT NULL, type TEXT NOT NULL, step INTEGER, time INTEGER NOT NULL)`,
  `CREATE UNIQUE INDEX metric_seqs ON metrics (site, seq)`,
  `CREATE TABLE metric_floors (site TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE outbox (
     id TEXT PRIMARY KEY, body TEXT NOT NULL, stamp INTEGER NOT NULL, attempts INTEGER NOT NULL,
     due INTEGER NOT NULL) WITHOUT ROWID`,
];

/** The tables of a JobObject as numbered migrations: each runs once, in order, in one transaction. */
const JOB_MIGRATIONS: readonly (readonly string[])[] = [
  [...ENGINE_TABLES, ...RESULT_TABLES, ...MODEL_TABLES, ...FOLD_TABLES],
  ARCHIVE_TABLES,
  [...FILTER_TABLES, `ALTER TABLE task_states ADD COLUMN sent TEXT`],
];

/** True once a job was created here: an object that was only asked about has no tables at all. */
export const isJob = (sql: SqlStorage): boolean =>
  sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'schema_version'`).toArray().length > 0;

/** Brings a job's storage up to date. Call it inside a transaction. */
export function migrateJob(sql: SqlStorage): void {
  sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
  const [row] = sql.exec<{ version: number }>('SELECT version FROM schema_version').toArray();
  const from = row?.version ?? 0;
  if (from === JOB_MIGRATIONS.length) return;
  for (const statement of JOB_MIGRATIONS.slice(from).flat()) sql.exec(statement);
  sql.exec('DELETE FROM schema_version');
  sql.exec('INSERT INTO schema_version (version) VALUES (?)', JOB_MIGRATIONS.length);
}
