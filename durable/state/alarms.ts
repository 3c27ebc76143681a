/** The alarm is late by this much only if the object could not run: an outage, or a clock that jumped ahead. */
const OUTAGE_MS = 5000;

/**
 * One alarm for many deadlines. Deadlines are rows; the alarm is the earliest of them, set inside the transaction that
 * makes it (and rolled back with it). Its time is kept in a row too, because reading it back is asynchronous.
 */
export class Alarms {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  due(): number | null {
    return this.#storage.sql.exec<{ due: number | null }>('SELECT due FROM alarm').one().due;
  }

  /** For how long nothing ran here although something was due; 0 in a healthy life. */
  outage(now: number): number {
    const due = this.due();
    return due !== null && now - due > OUTAGE_MS ? now - due : 0;
  }

  /**
   * Sees to it that the alarm rings at `next` at the latest. An earlier one stays: it rings, finds nothing to do and sets
   * the next, which is cheaper than a write for every lease renewed.
   */
  arm(next: number | null, now: number): void {
    const due = this.due();
    if (next === null || (due !== null && due <= next && due > now - OUTAGE_MS)) return;
    const at = Math.max(next, now);
    this.#storage.sql.exec('UPDATE alarm SET due = ?', at);
    void this.#storage.setAlarm(at);
  }

  /** Rows wait to be deleted, in slices, by the alarm. */
  sweepAt(time: number | null): void {
    this.#storage.sql.exec('UPDATE alarm SET sweep = ? WHERE sweep IS NOT ?', time, time);
  }

  /** The clock was set back. The alarm itself follows from the rows. */
  clockWentBack(now: number): void {
    this.#storage.sql.exec('UPDATE alarm SET sweep = min(sweep, ?)', now);
  }

  sweepDue(): number | null {
    return this.#storage.sql.exec<{ sweep: number | null }>('SELECT sweep FROM alarm').one().sweep;
  }

  /** The alarm has rung. */
  rang(): void {
    this.#storage.sql.exec('UPDATE alarm SET due = NULL');
  }

  /** After a new start: sets the alarm that the row names and the platform has lost. */
  async restore(): Promise<void> {
    const due = this.due();
    if (due !== null && (await this.#storage.getAlarm()) === null)
      await this.#storage.setAlarm(due);
  }

  /** After an alarm that failed: rings again soon, whatever the rows say. */
  async retry(now: number): Promise<void> {
    await this.#storage.setAlarm(now + OUTAGE_MS);
  }
}
