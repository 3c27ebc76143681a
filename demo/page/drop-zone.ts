/** Makes a label with a file input take a file that is dropped on it, too. */
export const dropZone = (zone: HTMLElement, onFile: (file: File) => Promise<void>): void => {
  const input = zone.querySelector('input');
  input?.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) void onFile(file);
  });
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    zone.classList.add('over');
  });
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    const [file] = event.dataTransfer?.files ?? [];
    if (file) void onFile(file);
  });
};
