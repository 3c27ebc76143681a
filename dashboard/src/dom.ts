/** The element of the page that a selector names. Throws where it is missing or of another kind. */
export const find = <T extends Element>(selector: string, kind: new () => T): T => {
  const found = document.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
};

/** An element with text and elements in it. */
export const element = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly (string | Node)[]
): HTMLElementTagNameMap[K] => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
};

/** Writes text only where it changed: a screen reader reads a live region's every change. */
export const write = (place: Element, text: string): void => {
  if (place.textContent !== text) place.textContent = text;
};

/** Shows a message in a place for one, or takes it away. */
export const tell = (place: HTMLElement, text: string | null): void => {
  write(place, text ?? '');
  place.hidden = text === null;
};

/** `1.4 MB`. */
export const bytesText = (bytes: number): string => {
  const units = ['B', 'KB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
};
