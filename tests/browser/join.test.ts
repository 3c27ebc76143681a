// The page behind a join link, as the Worker serves it: bare workerd, a real Chromium.
import type { Page } from 'playwright-core';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeNpz } from '../../cli/src/data/npz.ts';
import { digits } from '../../client-kit/tests/digits.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { everyReply, finished, repliesOf, submitDigits } from '../package/digits-job.ts';
import { faultsOf, overhangOf } from './accessibility.ts';
import { CHROMIUM, whyNot } from './chromium.ts';
import { agree, picture, says, setScene } from './worker-pages.ts';

/** Epochs that take a few seconds: long enough to step in between. */
const SECONDS = 200;

/** What a test changes of the browser's surroundings, in the page. */
interface Surroundings {
  hidden: boolean;
  connection: EventTarget & { saveData: boolean };
  battery: EventTarget & { charging: boolean; level: number };
}
/** Lets a test hide the page and run the battery down. */
const fakeSurroundings = (): void => {
  const battery = Object.assign(new EventTarget(), { charging: false, level: 0.8 });
  const connection = Object.assign(new EventTarget(), { saveData: false });
  const surroundings: Surroundings = { hidden: false, connection, battery };
  Object.assign(globalThis, { surroundings });
  Object.defineProperty(document, 'visibilityState', {
    get: () => (surroundings.hidden ? 'hidden' : 'visible'),
  });
  Object.assign(navigator, { getBattery: () => Promise.resolve(battery) });
  Object.defineProperty(navigator, 'connection', { value: connection });
};
const surround = (
  page: Page,
  change: { hidden?: boolean; level?: number; saveData?: boolean },
): Promise<void> =>
  page.evaluate(({ hidden, level, saveData }) => {
    const { surroundings } = globalThis as unknown as { readonly surroundings: Surroundings };
    if (hidden !== undefined) surroundings.hidden = hidden;
    if (level !== undefined) surroundings.battery.level = level;
    if (saveData !== undefined) surroundings.connection.saveData = saveData;
    document.dispatchEvent(new Event('visibilitychange'));
    surroundings.connection.dispatchEvent(new Event('change'));
    surroundings.battery.dispatchEvent(new Event('levelchange'));
  }, change);

/** Everything that pages of this origin keep. */
const keptKeys = (page: Page): Promise<string[]> =>
  page.evaluate(
    () =>
      new Promise<string[]>((resolve, reject) => {
        const opening = indexedDB.open('tributary');
        opening.onerror = () => reject(new Error('IndexedDB'));
        opening.onsuccess = () => {
          const blobs = opening.result.transaction('blobs').objectStore('blobs');
          const keys = blobs.getAllKeys();
          keys.onsuccess = () => resolve(keys.result.map(String));
        };
      }),
  );

describe.skipIf(CHROMIUM === undefined)('a device joins by a link', () => {
  const scene = setScene();
  afterEach(() => scene.forget());

  test(`trains on the sample data in a real job, and tells nobody its token${whyNot()}`, async () => {
    const { api, server } = scene;
    const url = await scene.link();
    const job = await submitDigits(api, { sites: 1, rounds: 2 });
    const { page, complaints, asked } = await scene.visit(url);
    await page.getByRole('heading', { name: 'What happens' }).waitFor();
    expect(page.url()).toBe(`${server.url}/join`);
    await agree(page, 'phone');
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['phone']));
    await says(page, 'The job has ended');
    expect(await page.locator('#sent').textContent()).toBe('7');
    expect(complaints).toEqual([]);
    expect([...asked]).toEqual([server.url]);
    const token = url.split('#')[1] ?? '';
    expect(server.log()).not.toContain(token);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    // The history has no entry with the token, and storage has it no longer.
    await page.goto('about:blank');
    await page.goBack();
    expect(page.url()).toBe(`${server.url}/join`);
    await says(page, /Connected as phone/);
  });

  test(`a reload in mid-training loses and doubles nothing, and asks for nothing${whyNot()}`, async () => {
    const { api } = scene;
    const job = await submitDigits(api, { sites: 1, rounds: 2, epochs: SECONDS });
    const { page } = await scene.visit(await scene.link());
    await agree(page, 'reloaded');
    await page.locator('#step', { hasText: /^step \d\d/ }).waitFor();
    await page.evaluate(() => document.querySelector('#work')?.scrollIntoView());
    await picture(page, 'join-phone', { width: 360, height: 740 }, 'dark');
    await page.reload();
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['reloaded']));
  });

  test(`of two tabs one trains; the other goes on when that is closed${whyNot()}`, async () => {
    const { api, server } = scene;
    const job = await submitDigits(api, { sites: 1, rounds: 2, epochs: SECONDS });
    const first = await scene.visit(await scene.link());
    await agree(first.page, 'two-tabs');
    await says(first.page, 'Training');
    const second = await scene.visit(`${server.url}/join`);
    await says(second.page, 'Another tab');
    expect(second.page.workers()).toHaveLength(0);
    await first.page.locator('#step', { hasText: /^step \d\d/ }).waitFor();
    // What is decided in one holds in all.
    await second.page.getByRole('button', { name: 'Pause' }).click();
    await says(first.page, 'Paused');
    await expect.poll(() => first.page.workers().length).toBe(0);
    await second.page.getByRole('button', { name: 'Go on' }).click();
    await says(first.page, 'Training');
    await first.page.close();
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['two-tabs']));
    await says(second.page, 'The job has ended');
  });

  test(`a pause stops the training at once and outlives a reload${whyNot()}`, async () => {
    const { api } = scene;
    const job = await submitDigits(api, { sites: 1, rounds: 1, epochs: SECONDS });
    const { page } = await scene.visit(await scene.link());
    await agree(page, 'pausing');
    await page.locator('#step', { hasText: /^step \d\d/ }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await says(page, 'Paused');
    await expect.poll(() => page.workers().length).toBe(0);
    await page.reload();
    await says(page, 'Paused');
    expect(page.workers()).toHaveLength(0);
    const { task } = await api.json<JobView>(`/v1/jobs/${job}`, 200);
    expect(task).toMatchObject({ name: 'train', received: 0 });
    await page.getByRole('button', { name: 'Go on' }).click();
    expect((await finished(api, job)).status).toBe('FINISHED:COMPLETED');
  });

  test(`in the background, on a low battery or to save data, it finishes what it is at and takes nothing new${whyNot()}`, async () => {
    const { api } = scene;
    const job = await submitDigits(api, { sites: 1, rounds: 2, epochs: SECONDS });
    const { page } = await scene.visit(await scene.link(), fakeSurroundings);
    await agree(page, 'modest');
    await page.locator('#step', { hasText: /^step \d\d/ }).waitFor();
    await surround(page, { hidden: true });
    await says(page, 'Resting: this page is in the background');
    await expect.poll(() => page.workers().length).toBe(0);
    expect(await page.locator('#sent').textContent()).toBe('1');
    await surround(page, { hidden: false, level: 0.1 });
    await says(page, 'Resting: the battery is low');
    await surround(page, { level: 0.9, saveData: true });
    await says(page, 'Resting: this browser is to save data');
    await surround(page, { hidden: true, saveData: false });
    await page.getByLabel('Go on while this page is in the background').check();
    expect((await finished(api, job)).status).toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['modest']));
  });

  test(`who leaves leaves nothing behind; a link works once${whyNot()}`, async () => {
    const { server } = scene;
    const url = await scene.link();
    const { page } = await scene.visit(url);
    await agree(page, 'leaving');
    await says(page, /Connected/);
    expect(await keptKeys(page)).toContain('identity');
    const leave = async (answer: string): Promise<void> => {
      await page.getByRole('button', { name: 'Leave…' }).click();
      await page.getByRole('button', { name: answer }).click();
    };
    await leave('Stay');
    await says(page, /Connected/);
    const other = await scene.visit(`${server.url}/join`);
    await says(other.page, 'Another tab');
    await leave('Leave and delete');
    await page.getByText('You have left').waitFor();
    await other.page.getByRole('heading', { name: 'A link is needed' }).waitFor();
    expect(await keptKeys(page)).toEqual([]);
    await page.goto(`${server.url}/join`);
    await page.getByRole('heading', { name: 'A link is needed' }).waitFor();
    await page.goto('about:blank');
    await page.goto(url);
    await agree(page, 'again');
    await page.getByText('This link does not work').waitFor();
  });

  test(`a name that is taken is said where it was written${whyNot()}`, async () => {
    await scene.api.site('taken');
    const { page } = await scene.visit(await scene.link());
    await agree(page, 'Not a name');
    await page.locator('#name-fault', { hasText: 'small letters' }).waitFor();
    await agree(page, 'taken');
    await page.locator('#name-fault', { hasText: 'Another device has this name' }).waitFor();
    expect(await page.locator('#name').getAttribute('aria-invalid')).toBe('true');
    await agree(page, 'not-taken');
    await says(page, /Connected as not-taken/);
  });

  test(`a site that is revoked says so, and stays out${whyNot()}`, async () => {
    const { api } = scene;
    const { page } = await scene.visit(await scene.link());
    await agree(page, 'revoked');
    await says(page, /Connected/);
    await api.call('/v1/sites/revoked', { method: 'DELETE' });
    // It would find out when it next asks for work; a reload asks at once.
    await page.reload();
    await page.getByText('The operator has ended').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'A link is needed' }).waitFor();
  });

  test(`trains on a person's own files, and says what is wrong with those that it can't read${whyNot()}`, async () => {
    const { api } = scene;
    const job = await submitDigits(api, { sites: 1, rounds: 1 });
    const { page } = await scene.visit(await scene.link());
    const file = (name: string, bytes: Uint8Array) => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(bytes),
    });
    await page.getByRole('heading', { name: 'Take part' }).waitFor();
    await page.getByLabel('Choose files').setInputFiles(file('notes.csv', Buffer.from('a,b\n1')));
    expect(await page.getByRole('radio', { name: 'Files of mine' }).isChecked()).toBe(true);
    await agree(page, 'own-files');
    await page.locator('#files-fault', { hasText: 'notes.csv: line 2' }).waitFor();
    const { x, y } = digits('train', 0, 300);
    const data = Uint8Array.from(x.data as Uint8Array);
    const npz = encodeNpz({ x: { data, shape: x.shape }, y: Int32Array.from(y) });
    await page.getByLabel('Choose files').setInputFiles(file('mine.npz', npz));
    await agree(page, 'own-files');
    await page.locator('#data', { hasText: 'your files, mine.npz' }).waitFor();
    expect((await finished(api, job)).status).toBe('FINISHED:COMPLETED');
    // Other data, the same device: it needs no new link.
    await page.getByRole('button', { name: 'Change the data' }).click();
    await page.getByRole('heading', { name: 'Take part' }).waitFor();
    expect(await page.locator('#name').getAttribute('readonly')).not.toBeNull();
    await page.getByRole('radio', { name: 'Sample data' }).check();
    await page.getByRole('button', { name: 'Join and train' }).click();
    await page.locator('#data', { hasText: 'sample data, mnist' }).waitFor();
    await says(page, 'Connected as own-files');
  });

  test(`of data that are not of the job's kind it says what is wrong${whyNot()}`, async () => {
    const job = await submitDigits(scene.api, { sites: 1, rounds: 1 });
    const { page } = await scene.visit(await scene.link());
    await page.getByRole('heading', { name: 'Take part' }).waitFor();
    const small = { data: new Uint8Array(20 * 14 * 14), shape: [20, 1, 14, 14] };
    const npz = encodeNpz({ x: small, y: new Int32Array(20) });
    await page.getByLabel('Choose files').setInputFiles({
      name: 'small.npz',
      mimeType: 'application/zip',
      buffer: Buffer.from(npz),
    });
    await agree(page, 'small');
    expect((await finished(scene.api, job)).status).toBe('FINISHED:EXECUTION_EXCEPTION');
    await page.locator('#trouble', { hasText: '28' }).waitFor();
    await page.locator('#log', { hasText: 'BAD_TASK_DATA' }).waitFor({ state: 'attached' });
  });

  test(`is for everybody: axe finds nothing, in the dark or on a phone; a keyboard is enough${whyNot()}`, async () => {
    const { page } = await scene.visit(await scene.link());
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await faultsOf(page)).toEqual([]);
    }
    await picture(page, 'join-desktop', { width: 900, height: 1200 }, 'light');
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await overhangOf(page)).toBe(0);
    expect(await faultsOf(page)).toEqual([]);
    await page.getByLabel('Name of this device').focus();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('keyboard');
    await page.keyboard.press('Enter');
    await says(page, /Connected as keyboard/);
    expect(await overhangOf(page)).toBe(0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await faultsOf(page)).toEqual([]);
    }
    await page.getByRole('button', { name: 'Leave…' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
  });
});
