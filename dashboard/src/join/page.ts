// The page behind a join link: says what will happen, asks, and then trains.
import type { SiteEvent } from '../../../client-kit/src/index.ts';
import { find, write } from '../dom.ts';
import { lead } from './leader.ts';
import { forgetAll, remember, remembered } from './memory.ts';
import type { Memory } from './memory.ts';
import { after, BEGUN } from './progress.ts';
import { REASONS, watchRestraint } from './restraint.ts';
import type { Reason } from './restraint.ts';
import { Session } from './session.ts';
import { blameName, fixName, prepareForm } from './setup.ts';
import type { Agreement } from './setup.ts';
import { alarm, draw, drawData, drawPause, show } from './view.ts';
import { takeToken } from './welcome.ts';

const UNAUTHORIZED = 401;
const CONFLICT = 409;

let memory: Memory = {};
let progress = BEGUN;
let session: Session | undefined;
let letGo: (() => void) | undefined;
let reasons: readonly Reason[] = [];
let resting = false;

/** Tells this browser's other tabs that what is remembered has changed. */
const tabs = new BroadcastChannel('tributary-page');
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel, not a window
const announce = (): void => tabs.postMessage(null);
const background = find('#background', HTMLInputElement);

/** Reasons that count: who wants to go on in the background does. */
const holding = (): readonly Reason[] =>
  reasons.filter((reason) => reason !== 'hidden' || !memory.background);

const why = (): string | null => {
  if (memory.paused) return 'Paused';
  const held = holding().map((reason) => REASONS[reason]);
  if (held.length === 0) return null;
  const because = held.join(', and ');
  return resting ? `Resting: ${because}` : null;
};

const redraw = (): void => {
  draw(progress, why());
  drawPause(memory.paused ?? false);
};

const decide = (): void => {
  session?.wish(memory.paused ? 'rest' : holding().length > 0 ? 'finish' : 'work');
  redraw();
};

const hear = (event: SiteEvent): void => {
  progress = after(progress, event, Date.now());
  if (event.type === 'joined' && !memory.joined) {
    void remember({ joined: true, enrolment: undefined }).then((now) => (memory = now));
    // Else a browser short of room might drop this device's key.
    navigator.storage.persist().catch(() => false);
  }
  redraw();
};

/** Ends the site in this tab, and lets another lead. */
const stop = (): void => {
  session?.end();
  session = undefined;
  letGo?.();
};

/** The server said no, or the code broke: back to the form, with the reason. */
const failed = async (message: string, status: number | undefined): Promise<void> => {
  const known = memory.joined === true;
  stop();
  if (status === CONFLICT) {
    memory = await remember({ agreed: false });
    show('setup');
    return blameName('Another device has this name already; choose another');
  }
  if (status === UNAUTHORIZED) {
    memory = await remember({ agreed: false, joined: false, enrolment: undefined });
    alarm(
      known
        ? 'The operator has ended this device’s part in it. To come back you need a new link.'
        : `This link does not work (any more): ${message} Ask for a new one.`,
    );
    return show('nolink');
  }
  alarm(`Something is wrong: ${message}. Reload this page to try again.`);
};

/** Takes part: in this tab, or, while another one does, after it. */
const takePart = async (): Promise<void> => {
  alarm(null);
  show('work');
  if (memory.data) drawData(memory.data);
  background.checked = memory.background ?? false;
  progress = BEGUN;
  redraw();
  letGo = await lead(() => {
    progress = {
      ...BEGUN,
      status: 'Another tab of this browser takes part; this one goes on when that one is closed',
    };
    redraw();
  });
  // The tab that led may have paused, or left.
  memory = await remembered();
  const { data, name, enrolment, joined } = memory;
  if (!memory.agreed || !data) {
    letGo();
    return begin();
  }
  progress = BEGUN;
  resting = true;
  session = new Session({
    // Its kept key knows the name; one that is given anew would be another device.
    name: joined ? undefined : name,
    enrolment,
    data,
    onEvent: hear,
    onResting: (now) => {
      resting = now;
      if (now) progress = { ...progress, step: null };
      redraw();
    },
    onFailed: (message, status) => void failed(message, status),
  });
  decide();
};

const agree = async ({ name, data }: Agreement): Promise<void> => {
  memory = await remember({ name, data, agreed: true, paused: false });
  await takePart();
};

const begin = (): void => {
  if (memory.agreed) return void takePart();
  fixName(memory.joined ?? false);
  show(memory.enrolment !== undefined || memory.joined ? 'setup' : 'nolink');
};

/** Back to the form: this device keeps its name, and trains again once new data are chosen. */
const change = async (): Promise<void> => {
  memory = await remember({ agreed: false });
  announce();
  stop();
  begin();
};

const leave = async (): Promise<void> => {
  memory = await remember({ agreed: false });
  announce();
  stop();
  // Whichever tab trained has stopped by then: nothing is written after it was deleted.
  const done = await lead(() => undefined);
  await forgetAll();
  done();
  announce();
  memory = {};
  alarm('You have left: everything of this page is deleted from this browser.');
  show('nolink');
};

/** What was decided in another tab holds here, too. */
const follow = async (): Promise<void> => {
  memory = await remembered();
  if (memory.agreed) return decide();
  stop();
  begin();
};

/** Remembers, and lets the other tabs know. */
const settle = async (change: Memory): Promise<void> => {
  memory = await remember(change);
  announce();
  decide();
};

const listen = (): void => {
  tabs.addEventListener('message', () => void follow());
  find('#pause', HTMLButtonElement).addEventListener('click', () => {
    void settle({ paused: !memory.paused });
  });
  background.addEventListener('change', () => {
    void settle({ background: background.checked });
  });
  find('#change', HTMLButtonElement).addEventListener('click', () => void change());
  const leaving = find('#leaving', HTMLDialogElement);
  find('#leave', HTMLButtonElement).addEventListener('click', () => leaving.showModal());
  leaving.addEventListener('close', () => {
    if (leaving.returnValue === 'leave') void leave();
    leaving.returnValue = '';
  });
  // A link that is pasted over this page only changes what follows the #.
  addEventListener('hashchange', () => {
    if (location.hash !== '') location.reload();
  });
  watchRestraint((now) => {
    reasons = now;
    decide();
  });
};

const open = async (): Promise<void> => {
  const enrolment = takeToken();
  write(find('#host', HTMLElement), location.host);
  if (!isSecureContext)
    throw new Error('the link must begin with https:// (or be of this machine)');
  memory = await (enrolment === undefined ? remembered() : remember({ enrolment }));
  prepareForm(memory.name, agree);
  listen();
  begin();
};

open().catch((error: unknown) => {
  alarm(
    `This browser can not take part: ${error instanceof Error ? error.message : String(error)}`,
  );
});
