import * as v from 'valibot';
import { fieldsOf } from './fields.ts';
import { LIMITS } from './limits.ts';
import { SiteName } from './names.ts';

/** Body of POST /v1/enrolments. */
export const EnrolmentRequest = v.strictObject({
  uses: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.enrolmentUses)),
    1,
  ),
  /** Seconds. */
  expiresIn: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.enrolmentS)),
    7 * 86400,
  ),
});
export const Enrolment = v.object({
  id: v.string(),
  token: v.string(),
  uses: v.number(),
  /** Milliseconds since 1970. */
  expires: v.number(),
});
export type Enrolment = v.InferOutput<typeof Enrolment>;

const Text = v.pipe(
  v.string(),
  v.maxLength(LIMITS.capabilityLength, `at most ${LIMITS.capabilityLength} characters`),
);

/** Body of POST /v1/sites, sent with an enrolment token. */
export const SiteRequest = v.strictObject({
  name: SiteName,
  capabilities: v.optional(fieldsOf(v.union([Text, v.number(), v.boolean()]))),
});
/** Answer of POST /v1/sites: the site's own token, shown once. */
export const SiteGrant = v.object({ site: v.string(), token: v.string() });
export type SiteGrant = v.InferOutput<typeof SiteGrant>;

/** One line of GET /v1/sites. */
export const SiteSummary = v.object({
  name: v.string(),
  status: v.picklist(['active', 'revoked']),
  generation: v.number(),
  enrolled: v.number(),
  /** When it last asked for its inbox; a job's view tells when it was last seen there. */
  lastSeen: v.nullable(v.number()),
  capabilities: v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
});
export type SiteSummary = v.InferOutput<typeof SiteSummary>;

/** Answer of DELETE /v1/sites/:name: jobs that could not be told yet are in `pending` (202), of very many the first. */
export const Revocation = v.object({ site: v.string(), pending: v.array(v.string()) });
export type Revocation = v.InferOutput<typeof Revocation>;
