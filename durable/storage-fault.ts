/** True if the storage itself failed: no workflow and no message is to blame, and the whole turn must roll back. */
export const isStorageFault = (error: unknown): boolean =>
  error instanceof Error && /SQLITE|disk is full|disk I\/O/i.test(error.message);

/** True if there is no room left. */
export const isFull = (error: unknown): boolean =>
  error instanceof Error && /SQLITE_FULL|disk is full/i.test(error.message);
