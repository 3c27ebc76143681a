import { Hono } from 'hono';
import { ROUTES } from '../core/protocol/http.ts';
import { type App, type AppEnv, allowed } from './endpoint.ts';
import { cors } from './middleware/cors.ts';
import { drain } from './middleware/drain.ts';
import { requestId } from './middleware/request-id.ts';
import { faultOf, problem, Refusal } from './problem.ts';
import { blobs } from './routes/blobs.ts';
import { enrolments } from './routes/enrolments.ts';
import { events } from './routes/events.ts';
import { healthz } from './routes/healthz.ts';
import { inbox } from './routes/inbox.ts';
import { jobs } from './routes/jobs.ts';
import { metrics } from './routes/metrics.ts';
import { models } from './routes/models.ts';
import { openapi } from './routes/openapi.ts';
import { pages } from './routes/pages.ts';
import { sites } from './routes/sites.ts';
import { tasks } from './routes/tasks.ts';

const RESOURCES = [
  healthz,
  openapi,
  enrolments,
  sites,
  blobs,
  jobs,
  models,
  events,
  metrics,
  inbox,
  tasks,
] as const;

/** The front door: parse, authorise, call an object, answer. */
export function createApp(): App {
  const app = new Hono<AppEnv>();
  app.use(requestId(), cors(), drain());
  for (const resource of RESOURCES) resource(app);
  pages(app);
  for (const path of new Set(Object.values(ROUTES).map((route) => route.path))) {
    app.all(path, (c) => {
      const allow = [...allowed(path), 'OPTIONS'];
      if (c.req.method === 'OPTIONS') {
        return new Response(null, { status: 204, headers: { allow: allow.join(', ') } });
      }
      throw new Refusal({ reason: 'method-not-allowed', allow: allowed(path) });
    });
  }
  app.notFound(() => problem({ reason: 'not-found', what: 'path' }));
  app.onError((error, c) => {
    const fault = faultOf(error);
    if (fault.reason === 'internal') {
      const { method, path } = c.req;
      console.error({
        requestId: c.get('requestId'),
        method,
        path,
        error: error.stack ?? String(error),
      });
    }
    return problem(fault);
  });
  return app;
}
