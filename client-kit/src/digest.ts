/** SHA-256 of some bytes. Needs a secure context (https or localhost) in a browser, as all of WebCrypto does. */
export const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

/** A blob's name on the wire: `sha256-` and 64 hex digits. */
export const digestOf = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> => {
  let hex = '';
  for (const byte of await sha256(bytes)) hex += byte.toString(16).padStart(2, '0');
  return `sha256-${hex}`;
};

/** A Repr-Digest header (RFC 9530). */
export const reprDigestOf = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  `sha-256=:${btoa(String.fromCharCode(...(await sha256(bytes))))}:`;
