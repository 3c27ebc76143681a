import { expect, test } from 'vitest';
import { namedOptions } from './named-options.ts';

const KNOWN = { adam: ['betas', 'eps', 'amsgrad'], mse: [] };

test('a name alone, and with options of each kind', () => {
  expect(namedOptions('optimizer', 'mse', KNOWN)).toEqual({ name: 'mse' });
  const text = 'adam:betas=0.9/0.98,eps=1e-7,amsgrad=true';
  expect(namedOptions('optimizer', text, KNOWN)).toEqual({
    name: 'adam',
    betas: [0.9, 0.98],
    eps: 1e-7,
    amsgrad: true,
  });
});

test.each([
  ['adan', "option --optimizer: expected one of adam, mse, got 'adan'"],
  ['adam:beta=1', "expected options of adam (betas, eps, amsgrad), got 'beta'"],
  ['adam:eps', "expected adam:option=value, got 'adam:eps'"],
  ['mse:x=1', "expected options of mse (it has none), got 'x'"],
])('%s is refused', (text, says) => {
  expect(() => namedOptions('optimizer', text, KNOWN)).toThrow(says);
});
