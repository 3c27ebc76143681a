import { bytesText, element, find, tell, write } from '../dom.ts';
import type { Chosen } from './memory.ts';
import type { Entry, Progress } from './progress.ts';

const section = (id: string): HTMLElement => find(`#${id}`, HTMLElement);

/** The parts of the page of which one is to be seen. */
const PARTS = ['nolink', 'setup', 'work'] as const;

/** The words come first until a person has said yes. */
export const show = (part: (typeof PARTS)[number]): void => {
  for (const id of PARTS) section(id).hidden = id !== part;
  if (part === 'work') section('work').after(section('words'));
  else section('setup').before(section('words'));
};

/** Says what is wrong, to everybody; null: nothing is. */
export const alarm = (text: string | null): void => tell(section('alert'), text);

const rowOf = ({ time, what, bytes }: Entry): HTMLTableRowElement =>
  element(
    'tr',
    {},
    element('td', {}, new Date(time).toLocaleTimeString()),
    element('td', {}, what),
    element('td', {}, bytesText(bytes)),
  );

let newest: Entry | undefined;

/** Draws the progress; `resting` is why nothing is done, where that is so. */
export const draw = (progress: Progress, resting: string | null): void => {
  const { status, trouble, job, step, sent, up, down, log } = progress;
  write(section('status'), resting ?? status);
  tell(section('trouble'), trouble);
  write(section('job'), job === null ? '' : `Job: ${job}`);
  section('training').hidden = step === null || resting !== null;
  if (step) {
    const bar = find('#steps', HTMLProgressElement);
    [bar.max, bar.value] = [step.steps, step.step];
    write(section('step'), `step ${step.step} of ${step.steps}, loss ${step.loss.toFixed(4)}`);
  }
  write(section('sent'), String(sent));
  write(section('up'), bytesText(up));
  write(section('down'), bytesText(down));
  if (log[0] === newest) return;
  newest = log[0];
  section('log').replaceChildren(...log.map(rowOf));
};

export const drawData = ({ source, files }: Chosen): void => {
  const list = files.map(({ name, size }) => `${name} (${bytesText(size)})`).join(', ');
  const kind = source === 'sample' ? 'sample data' : 'your files';
  write(section('data'), `Data on this device: ${kind}, ${list}`);
};

export const drawPause = (paused: boolean): void =>
  write(find('#pause', HTMLButtonElement), paused ? 'Go on' : 'Pause');
