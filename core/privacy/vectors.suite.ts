import { readFileSync } from 'node:fs';

/** Made by NVFlare, numpy, mpmath and `cryptography`: tests/vectors/filters/make.py. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the reader knows what lies there
export const vectors = <T>(name: string): T => {
  const url = new URL('../../tests/vectors/filters/filters.json', import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as Record<string, T>)[name] as T;
};
