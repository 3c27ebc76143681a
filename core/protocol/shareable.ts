import type { ReturnCode } from './return-code.ts';

/** Headers that have a meaning of their own: FLARE's ReservedHeaderKey, and the rounds of AppConstants. */
export const HeaderKey = {
  RC: '__rc__',
  COOKIE_JAR: '__cookie_jar__',
  PEER_PROPS: '__peer_props__',
  TASK_NAME: '__task_name__',
  TASK_ID: '__task_id__',
  WORKFLOW: '__workflow__',
  CONTENT_TYPE: '__content_type__',
  REPLY_IS_LATE: '__reply_is_late__',
  START_ROUND: 'start_round',
  CURRENT_ROUND: 'current_round',
  NUM_ROUNDS: 'num_rounds',
  MODEL_OWNER: '_model_owner_',
  SUBMIT_MODEL_NAME: 'submit_model_name',
  VALIDATE_TYPE: '_validate_type',
} as const;

type Props = Readonly<Record<string, unknown>>;

/**
 * What goes between server and site: FLARE's Shareable (nvflare/apis/shareable.py). A map with headers beside it; a DXO
 * lies in it under a key of its own. Tensors stay tensors; all else must be JSON to travel.
 */
export class Shareable extends Map<string, unknown> {
  readonly headers = new Map<string, unknown>();

  setHeader(key: string, value: unknown): void {
    this.headers.set(key, value);
  }

  /** The header, or `otherwise` where there is none: it is taken to be of that type. */
  getHeader(key: string): unknown;
  getHeader<T>(key: string, otherwise: T): T;
  getHeader<T>(key: string, otherwise?: T): T | undefined {
    return this.headers.has(key) ? (this.headers.get(key) as T) : otherwise;
  }

  getReturnCode(otherwise: ReturnCode = 'OK'): ReturnCode {
    return this.getHeader<ReturnCode>(HeaderKey.RC, otherwise);
  }

  setReturnCode(code: ReturnCode): void {
    this.setHeader(HeaderKey.RC, code);
  }

  /** For the sender of a task: whoever answers it brings its cookies back. */
  addCookie(name: string, data: unknown): void {
    this.setCookieJar({ ...this.getCookieJar(), [name]: data });
  }

  getCookieJar(): Props | undefined {
    return this.getHeader(HeaderKey.COOKIE_JAR) as Props | undefined;
  }

  setCookieJar(jar: Props): void {
    this.setHeader(HeaderKey.COOKIE_JAR, jar);
  }

  getCookie(name: string): unknown;
  getCookie<T>(name: string, otherwise: T): T;
  getCookie<T>(name: string, otherwise?: T): T | undefined {
    return (own(this.getCookieJar(), name) as T | undefined) ?? otherwise;
  }

  setPeerProps(props: Props): void {
    this.setHeader(HeaderKey.PEER_PROPS, props);
  }

  getPeerProps(): Props | undefined {
    return this.getHeader(HeaderKey.PEER_PROPS) as Props | undefined;
  }

  getPeerProp(key: string): unknown;
  getPeerProp<T>(key: string, otherwise: T): T;
  getPeerProp<T>(key: string, otherwise?: T): T | undefined {
    return (own(this.getPeerProps(), key) as T | undefined) ?? otherwise;
  }
}

const own = (props: Props | undefined, key: string): unknown =>
  props && Object.hasOwn(props, key) ? props[key] : undefined;

/** FLARE's make_reply: a Shareable that says how it went. */
export const makeReply = (code: ReturnCode, headers: Props = {}): Shareable => {
  const reply = new Shareable();
  reply.setReturnCode(code);
  for (const [key, value] of Object.entries(headers)) reply.setHeader(key, value);
  return reply;
};

/** FLARE's make_copy: the content shared, headers of its own but for those excluded. */
export const makeCopy = (source: Shareable, excludeHeaders: readonly string[] = []): Shareable => {
  const copy = new Shareable(source);
  for (const [key, value] of source.headers) {
    if (!excludeHeaders.includes(key)) copy.setHeader(key, value);
  }
  return copy;
};
