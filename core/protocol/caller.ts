/** Who a request comes from, as the front door established it from the bearer token. Nothing a body says overrides it. */
export type Caller =
  | { readonly role: 'admin' }
  | { readonly role: 'site'; readonly name: string; readonly generation: number };

export type SiteCaller = Extract<Caller, { role: 'site' }>;
