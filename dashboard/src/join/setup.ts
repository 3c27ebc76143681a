import { SITE_NAME_PATTERN } from '../../../core/protocol/names.ts';
import { find, tell, write } from '../dom.ts';
import { readFiles } from './data.ts';
import { keepFiles } from './memory.ts';
import type { Chosen } from './memory.ts';
import { fetchSample, sampleText } from './sample.ts';
import { someName } from './welcome.ts';

/** What a person said yes with. */
export interface Agreement {
  readonly name: string;
  readonly data: Chosen;
}

const form = find('#form', HTMLFormElement);
const name = find('#name', HTMLInputElement);
const nameFault = find('#name-fault', HTMLElement);
const files = find('#files', HTMLInputElement);
const filesFault = find('#files-fault', HTMLElement);
const button = find('#join', HTMLButtonElement);

/** Says what is wrong with a field, where its reader is. */
const blame = (field: HTMLInputElement, place: HTMLElement, text: string | null): void => {
  tell(place, text);
  if (text === null) return field.removeAttribute('aria-invalid');
  field.setAttribute('aria-invalid', 'true');
  field.focus();
};

export const blameName = (text: string): void => blame(name, nameFault, text);

/** A device that the server knows keeps its name. */
export const fixName = (fixed: boolean): void => {
  name.readOnly = fixed;
};

const sourceOf = (): Chosen['source'] =>
  new FormData(form).get('source') === 'files' ? 'files' : 'sample';

const chosen = async (): Promise<Chosen> => {
  const source = sourceOf();
  const picked = source === 'files' ? [...(files.files ?? [])] : [await fetchSample()];
  await readFiles(picked);
  return { source, files: await keepFiles(picked) };
};

const submit = async (onAgreed: (agreement: Agreement) => Promise<void>): Promise<void> => {
  blame(name, nameFault, null);
  blame(files, filesFault, null);
  const text = name.value.trim();
  if (!SITE_NAME_PATTERN.test(text)) {
    return blameName('1 to 63 small letters, digits, dots, dashes; a letter or digit first');
  }
  button.disabled = true;
  try {
    await onAgreed({ name: text, data: await chosen() });
  } catch (error) {
    blame(files, filesFault, error instanceof Error ? error.message : String(error));
  } finally {
    button.disabled = false;
  }
};

/** Makes the form ready; `onAgreed` is called with what a person says yes with. */
export const prepareForm = (
  known: string | undefined,
  onAgreed: (agreement: Agreement) => Promise<void>,
): void => {
  name.value = known ?? someName();
  write(find('#sample-hint', HTMLElement), sampleText());
  files.addEventListener('change', () => {
    find('[name=source][value=files]', HTMLInputElement).checked = true;
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit(onAgreed);
  });
};
