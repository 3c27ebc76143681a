import { setTimeout } from 'node:timers/promises';
import type { BrowserContext, Page } from 'playwright-core';
import type { SiteEvent } from '../../client-kit/src/event.ts';

/** What the README's page is told after the #. */
export interface Welcome {
  readonly server: string;
  readonly name: string;
  readonly enrolment: string;
}

/** A tab with the README's page, which shows the events of the site that it is. */
export class Tab {
  readonly page: Page;
  /** What the browser itself complained of. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('pageerror', ({ message }) => this.complaints.push(message));
  }

  static async open(context: BrowserContext): Promise<Tab> {
    return new Tab(await context.newPage());
  }

  async visit(origin: string, welcome: Welcome): Promise<void> {
    await this.page.goto(`${origin}/#${new URLSearchParams({ ...welcome }).toString()}`);
  }

  /** The events since the page was loaded. */
  async events(): Promise<SiteEvent[]> {
    const shown = await this.page.locator('pre').textContent();
    const lines = (shown ?? '').split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as SiteEvent);
  }

  /** Waits for an event like this one, and gives it. */
  async until(likeThis: (event: SiteEvent) => boolean): Promise<SiteEvent> {
    for (;;) {
      const found = (await this.events()).find(likeThis);
      if (found) return found;
      if (this.complaints.length > 0) throw new Error(this.complaints.join('\n'));
      await setTimeout(20);
    }
  }
}
