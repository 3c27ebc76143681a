/**
 * True if the storage itself failed: no workflow and no message is to blame, and the whole turn must roll back. A statement
 * that breaks a constraint is not that: whoever made it is to blame, each time anew.
 */
export const isStorageFault = (error: unknown): boolean =>
  error instanceof Error &&
  /SQLITE_(FULL|IOERR|CORRUPT|NOTADB|CANTOPEN|NOMEM|BUSY|READONLY)|disk is full|disk I\/O/i.test(
    error.message,
  );

/** True if there is no room left. */
export const isFull = (error: unknown): boolean =>
  error instanceof Error && /SQLITE_FULL|disk is full/i.test(error.message);
