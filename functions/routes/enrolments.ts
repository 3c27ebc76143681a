import { directoryOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';

export function enrolments(app: App): void {
  endpoint(app, 'createEnrolment', async ({ env, body, key, reply }) =>
    reply(201, must(await directoryOf(env).enrol(body, key))),
  );
}
