import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { TaskRequest } from '../../core/workflows/ops.ts';

/** How a task stands at a moment: all that its closing depends on. */
export interface Standing {
  readonly now: number;
  readonly deadline: number | null;
  /** When its minimum was met, if it was before. */
  readonly enough: number | null;
  readonly anyone: boolean;
  /** Sites asked so far. */
  readonly asked: number;
  readonly ok: number;
  readonly errors: readonly { readonly site: string; readonly code: ReturnCode }[];
  /** Asked, no reply, not given up. */
  readonly pending: number;
  /** Live leases. */
  readonly live: number;
  /** Sites that could still answer OK. */
  readonly candidates: number;
  /** Mandatory sites of this task without an OK reply. */
  readonly mandatory: readonly string[];
}

export type Verdict =
  | { readonly kind: 'wait'; readonly enough: number | null }
  | { readonly kind: 'close' }
  /** Below the minimum, and nothing more is to come: onShortfall decides. */
  | { readonly kind: 'short'; readonly reason: string }
  /** The minimum can no longer be met because of errors. */
  | { readonly kind: 'fail'; readonly reason: string };

type Rule = Pick<TaskRequest, 'name' | 'min' | 'waitAfterMin' | 'ignoreErrors'>;

const SHOWN = 20;

/** The first of a long list, for a sentence. */
export const listed = (items: readonly string[]): string =>
  items.length <= SHOWN
    ? items.join(', ')
    : `${items.slice(0, SHOWN).join(', ')} and ${items.length - SHOWN} more`;

/**
 * When a task closes. It needs `min` replies (OK ones, unless it ignores errors), those of mandatory sites among them.
 * With them it closes once no live lease is outstanding or waitAfterMin has passed; a list that has all answers closes
 * at once. Errors are tolerated while the minimum can still be met: FLARE's dynamic rule.
 */
export function judge(rule: Rule, at: Standing): Verdict {
  const need = rule.min ?? at.asked;
  const counted = rule.ignoreErrors ? at.ok + at.errors.length : at.ok;
  const failed = at.errors.map(({ site, code }) => `${site}: ${code}`);
  if (!rule.ignoreErrors && failed.length > 0) {
    const dead = at.errors.some(({ site }) => at.mandatory.includes(site));
    if (dead || at.ok + at.candidates < need) {
      const why = dead
        ? 'a mandatory site failed'
        : `${need} needed, ${at.ok + at.candidates} possible`;
      return { kind: 'fail', reason: `${rule.name}: too many errors (${why}): ${listed(failed)}` };
    }
  }
  const enough = counted >= need && at.mandatory.length === 0 && (at.anyone || at.asked > 0);
  const over = at.deadline !== null && at.deadline <= at.now;
  const answers = `${counted} of ${need} answers`;
  if (enough) {
    const since = at.enough ?? at.now;
    if (over || at.live === 0 || since + rule.waitAfterMin * 1000 <= at.now)
      return { kind: 'close' };
    return { kind: 'wait', enough: since };
  }
  const missing = at.mandatory.length > 0 ? `; mandatory and missing: ${listed(at.mandatory)}` : '';
  if (over)
    return { kind: 'short', reason: `${rule.name}: time is over with ${answers}${missing}` };
  if (!at.anyone && at.asked === 0)
    return { kind: 'short', reason: `${rule.name}: no site to ask` };
  if (!at.anyone && at.pending === 0) {
    return {
      kind: 'short',
      reason: `${rule.name}: nobody is left to ask, with ${answers}${missing}`,
    };
  }
  return { kind: 'wait', enough: null };
}
