import { type App, endpoint } from '../endpoint.ts';
import { openApiDocument } from '../openapi.ts';

export function openapi(app: App): void {
  endpoint(app, 'openapi', async ({ reply }) => reply(200, openApiDocument()));
}
