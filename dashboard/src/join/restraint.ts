/** Why this device takes no new work for now. */
export type Reason = 'hidden' | 'battery' | 'saver';

/** Charge below which a device that isn't plugged in rests. */
const LOW = 0.2;

/** The Battery Status API, where a browser has it. */
interface Battery extends EventTarget {
  readonly charging: boolean;
  /** 0 to 1. */
  readonly level: number;
}
interface Manners {
  getBattery?(): Promise<Battery>;
  /** The Network Information API. */
  readonly connection?: EventTarget & { readonly saveData?: boolean };
}

/** In plain words, for each reason. */
export const REASONS: Readonly<Record<Reason, string>> = {
  hidden: 'this page is in the background',
  battery: 'the battery is low',
  saver: 'this browser is to save data',
};

/**
 * Watches for reasons to be modest, and calls back with all that hold, at once and at each change. A browser that doesn't
 * tell of battery or data saver gives none.
 */
export const watchRestraint = (onChange: (reasons: readonly Reason[]) => void): void => {
  const manners = navigator as Manners;
  const { connection } = manners;
  let battery: Battery | undefined;
  const look = (): void => {
    const low = battery && !battery.charging && battery.level <= LOW;
    onChange([
      ...(document.visibilityState === 'hidden' ? (['hidden'] as const) : []),
      ...(low ? (['battery'] as const) : []),
      ...(connection?.saveData ? (['saver'] as const) : []),
    ]);
  };
  document.addEventListener('visibilitychange', look);
  connection?.addEventListener('change', look);
  look();
  manners
    .getBattery?.()
    .then((found) => {
      battery = found;
      for (const event of ['levelchange', 'chargingchange']) found.addEventListener(event, look);
      look();
    })
    // A browser may refuse to tell.
    .catch(() => undefined);
};
