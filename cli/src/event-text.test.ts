import { expect, test } from 'vitest';
import { eventText } from './event-text.ts';

test('what a site wrote cannot speak to the terminal of whoever watches', () => {
  const value = 'loss\u001b]0;title\u0007\r\n\u009b31mred';
  const events = ['metric', 'log', 'other'].map((event) =>
    eventText({ id: '1', event, data: JSON.stringify({ site: 'a', key: 'note', value }) }),
  );
  events.push(eventText({ id: '1', event: 'log', data: value }));
  for (const text of events) {
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('\\u001b]0;title\\u0007\\r\\n\\u009b31mred');
  }
});
