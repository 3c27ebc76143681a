import { expect, test } from 'vitest';
import { PolicyError, readPolicy } from './document.ts';

const jobs = [{ names: ['digits-*'] }];
const errorsOf = (value: unknown): readonly { path: string; expected: string; got: string }[] => {
  try {
    readPolicy(value);
  } catch (error) {
    if (error instanceof PolicyError) return error.errors;
    throw error;
  }
  return [];
};

test('defaults: models may be handed in, no filters, no limits', () => {
  expect(readPolicy({ version: 1, jobs })).toEqual({
    version: 1,
    jobs,
    submit_model: 'allow',
    filters: [],
    limits: {},
  });
});

test.each([
  ['version', { version: 2, jobs }],
  ['jobs', { version: 1 }],
  ['jobs', { version: 1, jobs: [] }],
  ['jobs[0].names', { version: 1, jobs: [{}] }],
  ['jobs[0].programs[0]', { version: 1, jobs: [{ names: ['*'], programs: ['sha256-x'] }] }],
  ['jobs[0].servers[0]', { version: 1, jobs: [{ names: ['*'], servers: ['https://a.org/x'] }] }],
  ['submit_model', { version: 1, jobs, submit_model: 'never' }],
  ['submitModel', { version: 1, jobs, submitModel: 'deny' }],
  ['limits.bytesPerDay', { version: 1, jobs, limits: { bytesPerDay: '1 MB' } }],
  ['limits.seconds', { version: 1, jobs, limits: { seconds: 0 } }],
  ['filters[0].use', { version: 1, jobs, filters: [{ use: 'blur' }] }],
  [
    'filters[0].on',
    { version: 1, jobs, filters: [{ use: 'clip', on: 'data', args: { norm: 1 } }] },
  ],
  ['filters[1].args.norm', filters({ norm: 1 }, { norm: -1 })],
  ['filters[0].args.norm', filters({})],
])('the field at fault is named: %s', (path, value) => {
  const errors = errorsOf(value);
  expect(errors.map((error) => error.path)).toContain(path);
  expect(new PolicyError(errors).message).toContain(`${path}: expected `);
});

function filters(...args: object[]): object {
  return { version: 1, jobs, filters: args.map((one) => ({ use: 'clip', args: one })) };
}

test('what is no object is refused without a path', () => {
  expect(() => readPolicy(null)).toThrow('the policy: expected Object, got null');
});
