const channel = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });

/**
 * Lets timers, the network and the screen have their turn: a run on WASM never really waits, so without this a lease
 * would go unrenewed and an abort unseen until the end. (setTimeout would cost 4 ms a step in a browser.)
 */
export const breathe: () => Promise<void> =
  typeof setImmediate === 'function'
    ? () => new Promise((resolve) => setImmediate(resolve))
    : channel;
