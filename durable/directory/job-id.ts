/** A job's id: a UUID version 7 (RFC 9562): begins with the time, so ids sort by age. */
export function newJobId(now: number, random = crypto.getRandomValues(new Uint8Array(10))): string {
  const time = now.toString(16).padStart(12, '0');
  const [a = 0, b = 0, c = 0, d = 0, ...rest] = random;
  const hex = (...bytes: number[]): string =>
    bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [
    time.slice(0, 8),
    time.slice(8, 12),
    hex(0x70 | (a & 0x0f), b),
    hex(0x80 | (c & 0x3f), d),
    hex(...rest),
  ].join('-');
}

/** The form of a job's id: a request about anything else needs no object to be refused. */
export const JOB_ID_PATTERN =
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
