const LOCK = 'tributary-page';

/**
 * Waits until this tab may lead: of all tabs of this browser one trains. `onWait` is called where another does now.
 * Gives what lets go of the lead; the browser does so for a tab that is closed or crashes.
 */
export const lead = (onWait: () => void): Promise<() => void> =>
  new Promise((leads, failed) => {
    const hold = () => new Promise<void>((letGo) => leads(letGo));
    navigator.locks
      .request(LOCK, { ifAvailable: true }, async (lock) => {
        if (lock) return hold();
        onWait();
        // Asked for outside of this callback's own request, which holds nothing.
        navigator.locks.request(LOCK, hold).catch(failed);
      })
      .catch(failed);
  });
