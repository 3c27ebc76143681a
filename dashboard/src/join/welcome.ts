/**
 * The enrolment token after the link's `#`. It is taken out of the address bar and the history at once; a browser sends
 * nothing that follows a `#`, so no server's log has it either.
 */
export const takeToken = (): string | undefined => {
  const token = decodeURIComponent(location.hash.slice(1)).trim();
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  return token === '' ? undefined : token;
};

/** A name for a device that nobody named. */
export const someName = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return `browser-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
};
