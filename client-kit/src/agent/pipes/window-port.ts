import type { Heard, Port } from './port.ts';

/** Another window, as far as one of another origin may touch it. */
interface OtherWindow {
  postMessage(data: unknown, origin: string, transfer: ArrayBuffer[]): void;
}

interface WindowEvent extends Heard {
  readonly source: unknown;
  readonly origin: string;
}

interface ThisWindow {
  addEventListener(type: 'message', listener: (event: WindowEvent) => void): void;
  removeEventListener(type: 'message', listener: (event: WindowEvent) => void): void;
}

/**
 * `postMessage` between two windows as a port: what comes from any other window or origin is not heard, and nothing is
 * said to another origin. Throws TypeError on `*`: whoever moved into the window would be told the model.
 */
export const windowPort = (
  other: OtherWindow,
  origin: string,
  here: ThisWindow = globalThis,
): Port => {
  if (origin === '*' || origin === '') throw new TypeError('name the origin of the other window');
  const doors = new Map<(event: Heard) => void, (event: WindowEvent) => void>();
  return {
    postMessage: (data, transfer) => other.postMessage(data, origin, transfer),
    addEventListener(type, listener) {
      const door = (event: WindowEvent): void => {
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
