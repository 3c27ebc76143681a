// The page of one job, live over its event stream.
import { isFinished } from '../../../core/protocol/job-status.ts';
import { find } from '../dom.ts';
import { askToken, forgetToken, keptToken } from './door.ts';
import { Learning } from './learning.ts';
import { followJob, readJob, Refused } from './server.ts';
import { alarm, draw, drawCurves, show } from './view.ts';

/** The job is asked for and drawn at most this often, however many events come; */
const DRAW_MS = 250;
/** and this often where none come: when a site was last seen moves without an event. */
const IDLE_MS = 15_000;

const id = decodeURIComponent(location.pathname.split('/')[2] ?? '');

/** Shows the job until it is finished or the signal aborts. Rejects with Refused. */
const watch = async (token: string, signal: AbortSignal): Promise<void> => {
  const learning = new Learning();
  let changed = true;
  let lost = false;
  let over = false;
  let wake: () => void = () => undefined;
  const stream = followJob(
    id,
    token,
    (event) => {
      learning.hear(event);
      [changed, lost] = [true, false];
      wake();
    },
    () => {
      lost = true;
      wake();
    },
    signal,
  ).finally(() => {
    [over, changed] = [true, true];
    wake();
  });
  stream.catch(() => undefined);
  for (;;) {
    if (changed) drawCurves(learning.curves());
    changed = false;
    const last = over;
    const view = await readJob(id, token, signal).catch((error: unknown) => {
      if (error instanceof Refused) throw error;
      lost = true;
      return undefined;
    });
    signal.throwIfAborted();
    alarm(lost ? 'The server can not be reached; trying again.' : null);
    if (view) {
      show('job');
      draw(view, Date.now());
      if (last && isFinished(view.status)) return stream;
    }
    await new Promise((resolve) => setTimeout(resolve, DRAW_MS));
    if (changed || over) continue;
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, IDLE_MS);
    });
  }
};

let watching = new AbortController();

const open = async (token: string): Promise<void> => {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  try {
    await watch(token, signal);
  } catch (error) {
    if (signal.aborted) return;
    watching.abort();
    const refused = error instanceof Refused ? error.status : 0;
    alarm(error instanceof Error ? error.message : String(error));
    if (refused !== 401 && refused !== 403) return;
    forgetToken();
    show('door');
    find('#token', HTMLInputElement).focus();
  }
};

askToken((token) => void open(token));
find('#forget', HTMLButtonElement).addEventListener('click', () => {
  watching.abort();
  forgetToken();
  location.reload();
});
const kept = keptToken();
if (kept === null) show('door');
else void open(kept);
