import type { Port } from './port.ts';

/**
 * `postMessage` between two windows as a port: what comes from any other window or origin is not heard, and nothing is
 * said to another origin. Throws TypeError on `*`: whoever moved into the window would be told the model.
 */
export const windowPort = (
  other: Window,
  origin: string,
  here: Pick<Window, 'addEventListener' | 'removeEventListener'> = window,
): Port => {
  if (origin === '*' || origin === '') throw new TypeError('name the origin of the other window');
  const doors = new Map<(event: MessageEvent) => void, (event: MessageEvent) => void>();
  return {
    postMessage: (data, transfer) => other.postMessage(data, origin, transfer),
    addEventListener(type, listener) {
      const door = (event: MessageEvent): void => {
        if (event.source === other && event.origin === origin) listener(event);
      };
      doors.set(listener, door);
      here.addEventListener(type, door);
    },
    removeEventListener(type, listener) {
      const door = doors.get(listener);
      doors.delete(listener);
      if (door) here.removeEventListener(type, door);
    },
  };
};
