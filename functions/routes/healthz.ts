import { VERSION } from '../../core/protocol/version.ts';
import { tokenKeys } from '../../durable/directory/site-token.ts';
import { directoryOf } from '../../durable/stubs.ts';
import { type App, endpoint } from '../endpoint.ts';
import { canBeSent } from '../middleware/auth.ts';
import { Refusal } from '../problem.ts';

export function healthz(app: App): void {
  endpoint(app, 'healthz', async ({ env, reply }) => {
    const missing = (['JOB', 'DIRECTORY', 'BLOB', 'ADMIN_TOKEN', 'TOKEN_KEY'] as const).filter(
      (name) => !env[name],
    );
    try {
      if (missing.length > 0) throw new Error(`${missing.join(', ')} not set`);
      tokenKeys(env);
      if (!canBeSent(env.ADMIN_TOKEN)) throw new Error('ADMIN_TOKEN is no bearer token');
      await directoryOf(env).ping();
    } catch (error) {
      console.error({ message: 'not healthy', error: String(error) });
      const detail = 'A binding or a secret is missing or malformed; the log says which.';
      throw new Refusal({ reason: 'unavailable', detail, retryAfter: 5 });
    }
    return reply(200, { status: 'ok', version: VERSION });
  });
}
