import { expect, test } from 'vitest';
import type { Tensors } from '../tensors/tensor.ts';
import { DXO, MetaKey } from './dxo.ts';
import { HeaderKey, makeCopy, makeReply, Shareable } from './shareable.ts';

const w: Tensors = new Map([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]);

test('headers, return code, cookies and peer props are FLARE’s, and apart from the content', () => {
  const shareable = new Shareable([['a', 1]]);
  expect(shareable.getReturnCode()).toBe('OK');
  expect(shareable.getHeader('none')).toBeUndefined();
  expect(shareable.getHeader('none', 5)).toBe(5);
  shareable.setReturnCode('TASK_ABORTED');
  shareable.addCookie('round', 2);
  shareable.addCookie('who', 'x');
  shareable.setPeerProps({ __identity_name__: 'server' });
  expect(Object.fromEntries(shareable.headers)).toEqual({
    __rc__: 'TASK_ABORTED',
    __cookie_jar__: { round: 2, who: 'x' },
    __peer_props__: { __identity_name__: 'server' },
  });
  expect(shareable.getCookie('round')).toBe(2);
  expect(shareable.getCookie('toString')).toBeUndefined();
  expect(shareable.getPeerProp('__identity_name__')).toBe('server');
  expect(shareable.getPeerProp('x', 'none')).toBe('none');
  expect([...shareable]).toEqual([['a', 1]]);
});

test('make_reply and make_copy', () => {
  const reply = makeReply('EMPTY_RESULT', { why: 'nothing' });
  expect([reply.getReturnCode(), reply.getHeader('why')]).toEqual(['EMPTY_RESULT', 'nothing']);
  reply.set('content', w);
  const copy = makeCopy(reply, ['why']);
  expect(copy.get('content')).toBe(w);
  copy.setReturnCode('OK');
  expect([reply.getReturnCode(), copy.getHeader('why')]).toEqual(['EMPTY_RESULT', undefined]);
});

test('a DXO goes into a Shareable as {kind, data, meta} and comes out of it', () => {
  const dxo = new DXO('WEIGHTS', w, { [MetaKey.NUM_STEPS_CURRENT_ROUND]: 7 });
  dxo.addFilterHistory('ExcludeVars');
  dxo.addFilterHistory('Clip', 'Noise');
  const shareable = dxo.toShareable();
  expect(shareable.getHeader(HeaderKey.CONTENT_TYPE)).toBe('DXO');
  expect(shareable.get('DXO')).toEqual({
    kind: 'WEIGHTS',
    data: w,
    meta: { NUM_STEPS_CURRENT_ROUND: 7, filter_history: ['ExcludeVars', 'Clip', 'Noise'] },
  });
  const back = DXO.fromShareable(shareable);
  expect(back).toEqual(dxo);
  expect(back.is('WEIGHT_DIFF')).toBe(false);
  back.removeMetaProps(['filter_history']);
  expect(back.getFilterHistory()).toEqual([]);
  expect(back.getMetaProp('NUM_STEPS_CURRENT_ROUND', 1)).toBe(7);
});

test('what isn’t a DXO is refused', () => {
  expect(() => DXO.fromShareable(new Shareable())).toThrow('expected content type DXO');
  const empty = makeReply('OK', { [HeaderKey.CONTENT_TYPE]: 'DXO' });
  expect(() => DXO.fromShareable(empty)).toThrow('missing content');
  expect(() => DXO.fromDict({ kind: 'SECRETS', data: {} })).toThrow("no kind 'SECRETS'");
  expect(() => DXO.fromDict({ kind: 'WEIGHTS', data: {} })).toThrow('WEIGHTS takes a Map');
  expect(() => DXO.fromDict({ kind: 'METRICS', data: [1] })).toThrow('METRICS takes an object');
  expect(new DXO('APP_DEFINED', 'anything').data).toBe('anything');
});

test('the leaves of a collection, by their paths', () => {
  const metrics = new DXO('METRICS', { loss: 1 });
  const weights = new DXO('WEIGHTS', w);
  const inner = new DXO('COLLECTION', new Map<string, DXO>([['m', metrics]]));
  const outer = new DXO(
    'COLLECTION',
    new Map<string, DXO>([
      ['inner', inner],
      ['w', weights],
    ]),
  );
  expect([...outer.leaves('root')]).toEqual([
    ['root.inner.m', metrics],
    ['root.w', weights],
  ]);
});
