import { find } from '../dom.ts';

/** Where a tab keeps the admin token: gone with the tab. */
const KEY = 'tributary-admin';

export const keptToken = (): string | null => sessionStorage.getItem(KEY);
export const forgetToken = (): void => sessionStorage.removeItem(KEY);

/** Asks for the token; `onToken` is called with each that is given. */
export const askToken = (onToken: (token: string) => void): void => {
  const field = find('#token', HTMLInputElement);
  find('#form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = '';
    sessionStorage.setItem(KEY, token);
    onToken(token);
  });
};
