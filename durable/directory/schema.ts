/** The directory's tables, as numbered migrations: each runs once, in order, in one transaction. See STORAGE.md. */
const DIRECTORY_MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE enrolments (
       hash TEXT PRIMARY KEY, id TEXT NOT NULL, uses INTEGER NOT NULL, used INTEGER NOT NULL,
       created INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE sites (
       name TEXT PRIMARY KEY, generation INTEGER NOT NULL, status TEXT NOT NULL, enrolled INTEGER NOT NULL,
       last_seen INTEGER, capabilities TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE jobs (
       id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL, seq INTEGER NOT NULL,
       submitted INTEGER NOT NULL, deploy TEXT NOT NULL, state TEXT NOT NULL, finished INTEGER NOT NULL)
       WITHOUT ROWID`,
    `CREATE INDEX jobs_unfinished ON jobs (id) WHERE finished = 0`,
    `CREATE TABLE outbox (
       id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, job TEXT NOT NULL, site TEXT,
       body TEXT NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL)`,
    `CREATE INDEX outbox_due ON outbox (due)`,
    `CREATE INDEX outbox_job ON outbox (job)`,
    `CREATE TABLE idempotency (
       scope TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL, expires INTEGER NOT NULL,
       PRIMARY KEY (scope, key)) WITHOUT ROWID`,
    `CREATE INDEX idempotency_expires ON idempotency (expires)`,
  ],
  [
    `CREATE TABLE revocations (
       site TEXT PRIMARY KEY, generation INTEGER NOT NULL, before TEXT NOT NULL, due INTEGER NOT NULL)
       WITHOUT ROWID`,
  ],
];

/** Brings a directory's storage up to date. */
export function migrate(storage: DurableObjectStorage): void {
  const { sql } = storage;
  storage.transactionSync(() => {
    sql.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
    const [row] = sql.exec<{ version: number }>('SELECT version FROM schema_version').toArray();
    const from = row?.version ?? 0;
    for (const statement of DIRECTORY_MIGRATIONS.slice(from).flat()) sql.exec(statement);
    if (from === DIRECTORY_MIGRATIONS.length) return;
    sql.exec('DELETE FROM schema_version');
    sql.exec('INSERT INTO schema_version (version) VALUES (?)', DIRECTORY_MIGRATIONS.length);
  });
}
