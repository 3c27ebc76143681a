import { expect, test } from 'vitest';
import { FLContextKey, FLContextManager } from './fl-context.ts';

const run = () => new FLContextManager({ engine: 'the engine', identity: 'a', job: 'j' });

test('sticky props are in every context of the run, at once; others in their own', () => {
  const manager = run();
  const before = manager.newContext();
  const context = manager.newContext();
  expect(context.setProp('sticky', 1)).toBe(true);
  expect(context.setProp('own', 2, { sticky: false })).toBe(true);
  for (const each of [before, context, manager.newContext()])
    expect(each.getProp('sticky')).toBe(1);
  expect(before.getProp('own', 'none')).toBe('none');
  before.setProp('sticky', 3);
  expect(context.getProp('sticky')).toBe(3);
});

test('public props travel; private ones, and the engine, stay', () => {
  const context = run().newContext();
  context.setProp('private', 1);
  context.setProp('also', 2, { sticky: false });
  context.setProp('public', 3, { private: false });
  context.setProp('once', 4, { private: false, sticky: false });
  expect(context.getAllPublicProps()).toEqual({
    __run_num__: 'j',
    __identity_name__: 'a',
    public: 3,
    once: 4,
  });
  expect(context.getProp(FLContextKey.ENGINE)).toBe('the engine');
  expect([context.getJobId(), context.getIdentityName()]).toEqual(['j', 'a']);
});

test('a prop keeps the visibility that it was made with', () => {
  const manager = run();
  const context = manager.newContext();
  context.setProp('x', 1);
  expect(context.setProp('x', 2, { private: false })).toBe(false);
  expect(manager.newContext().setProp('x', 2, { sticky: false })).toBe(false);
  expect(context.getPropDetail('x')).toEqual({ value: 1, private: true, sticky: true });
});

test('the peer’s context has the peer’s public props; reserved props stay when removed', () => {
  const context = run().newContext();
  expect(context.getPeerContext()).toBeUndefined();
  context.setPeerContext({ __identity_name__: 'server', __run_num__: 'j', pace: 3 });
  const peer = context.getPeerContext();
  expect([peer?.getIdentityName(), peer?.getProp('pace')]).toEqual(['server', 3]);
  expect(context.getIdentityName()).toBe('a');
  context.setProp('gone', 1, { sticky: false });
  context.removeProp('gone');
  context.removeProp(FLContextKey.IDENTITY_NAME);
  expect([context.getProp('gone'), context.getIdentityName()]).toEqual([undefined, 'a']);
});
