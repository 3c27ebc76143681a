import type { Caller, SiteCaller } from '../../core/protocol/caller.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { Engine } from './engine.ts';
import { VOID_TOKEN, directoryOf, stands } from '../stubs.ts';

/** Who may speak to a job: the admin, and its own sites with a token of their current generation. */
export class Gate {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Why this caller may not, if so. Asks the directory about a site that the job hasn't met. */
  async refusal(caller: Caller): Promise<Fault | null> {
    const { sites, env } = this.#engine;
    if (!this.#engine.exists) return this.#noJob(caller);
    if (caller.role === 'admin') return null;
    if (sites.standing(caller) === 'stranger') {
      const known = await directoryOf(env).generation(caller.name);
      // Much may have happened meanwhile.
      if (!this.#engine.exists) return NO_JOB;
      if (!stands(known, caller)) return VOID_TOKEN;
      if (!this.#deployed(caller)) return this.#foreign(caller);
      sites.meet(caller, Date.now());
    }
    // Only sites that the job is deployed to are ever met.
    return sites.standing(caller) === 'good' ? null : VOID_TOKEN;
  }

  /** Nobody learns from a void token which jobs there are. */
  async #noJob(caller: Caller): Promise<Fault> {
    if (caller.role === 'admin') return NO_JOB;
    const known = await directoryOf(this.#engine.env).generation(caller.name);
    return stands(known, caller) ? NO_JOB : VOID_TOKEN;
  }

  #deployed({ name }: SiteCaller): boolean {
    return matchesAny(this.#engine.record.spec().deploy, name);
  }

  #foreign({ name }: SiteCaller): Fault {
    return { reason: 'forbidden', detail: `This job is not deployed to ${name}.` };
  }
}

export const NO_JOB: Fault = { reason: 'not-found', what: 'job' };
