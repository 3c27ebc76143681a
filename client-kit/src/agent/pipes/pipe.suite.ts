import { afterEach, expect, test } from 'vitest';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import type { Message } from '../message.ts';
import type { AgentPipe, Answerer, SitePipe } from '../pipe.ts';

/** Both ends of one pipe; `agent` gives that of a new process each time. */
export interface Ends {
  readonly site: SitePipe;
  readonly agent: () => AgentPipe | Promise<AgentPipe>;
}

const PATIENCE = 5000;
const asking = () => ({ signal: new AbortController().signal, patienceMS: PATIENCE });

const tensors: Tensors = new Map([
  ['bits', { dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xffff) }],
  ['__proto__', { dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) }],
  ['none', { dtype: 'I32', shape: [0, 3], data: new Int32Array(0) }],
]);

/** Everything that holds of a pipe, whatever it is made of. */
export const pipeSuite = (make: () => Promise<Ends>): void => {
  const shuts: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const shut of shuts.splice(0)) await shut();
  });
  const open = async ({ site }: Ends, answer: Answerer): Promise<() => Promise<void>> => {
    const shut = await site.open(answer);
    shuts.push(shut);
    return shut;
  };

  test('a question comes as it was asked, tensors bit for bit, and so does its answer', async () => {
    const ends = await make();
    const asked: Message[] = [];
    await open(ends, (request) => {
      asked.push(request);
      return Promise.resolve({ head: { status: 'ok', said: 'größer → 漢' }, tensors });
    });
    const agent = await ends.agent();
    const head = { op: 'x', deep: [{ a: null }], text: '"\\\u2028' };
    const answer = await agent.ask({ head, tensors }, asking());
    expect(asked[0]?.head).toEqual(head);
    for (const got of [asked[0]?.tensors, answer.tensors]) {
      expect(got?.size).toBe(tensors.size);
      for (const [name, tensor] of tensors) expect(got?.get(name)).toEqual(tensor);
    }
    expect(answer.head).toEqual({ status: 'ok', said: 'größer → 漢' });
    expect((await agent.ask({ head }, asking())).head['status']).toBe('ok');
    expect(asked[1]?.tensors).toBeUndefined();
  });

  test('many megabytes, both ways', async () => {
    const ends = await make();
    await open(ends, ({ tensors: same }) => Promise.resolve({ head: {}, tensors: same }));
    const data = Float32Array.from({ length: 5_000_000 }, (_, i) => i);
    const big: Tensors = new Map([['w', { dtype: 'F32', shape: [data.length], data }]]);
    const answer = await (await ends.agent()).ask({ head: {}, tensors: big }, asking());
    const got = answer.tensors?.get('w')?.data;
    expect(got?.length).toBe(data.length);
    expect(Buffer.compare(Buffer.from(data.buffer), bufferOf(got as Float32Array))).toBe(0);
    // What was asked is still the caller's.
    expect(data[4_999_999]).toBe(4_999_999);
  });

  test('questions at once are answered each by its own answer, in any order', async () => {
    const ends = await make();
    await open(ends, async ({ head }) => {
      await new Promise((resolve) => setTimeout(resolve, Number(head['ms'])));
      return { head };
    });
    const agent = await ends.agent();
    const all = [60, 0, 30].map((ms) => agent.ask({ head: { ms } }, asking()));
    expect((await Promise.all(all)).map(({ head }) => head['ms'])).toEqual([60, 0, 30]);
  });

  test('who asks may give up', async () => {
    const ends = await make();
    await open(ends, () => new Promise((resolve) => setTimeout(resolve, 300, { head: {} })));
    const agent = await ends.agent();
    const giving = new AbortController();
    const asked = agent.ask({ head: {} }, { signal: giving.signal, patienceMS: PATIENCE });
    setTimeout(() => giving.abort(new Error('enough')), 20);
    await expect(asked).rejects.toThrow();
    await expect(
      agent.ask({ head: {} }, { signal: giving.signal, patienceMS: PATIENCE }),
    ).rejects.toThrow();
    await expect(agent.ask({ head: {} }, { ...asking(), patienceMS: 100 })).rejects.toThrow(
      /does not answer/,
    );
  });

  test('an agent may be there before the site, and outlive it', async () => {
    const ends = await make();
    const agent = await ends.agent();
    const impatient = { ...asking(), patienceMS: 300 };
    await expect(agent.ask({ head: {} }, impatient)).rejects.toThrow();
    const shut = await open(ends, () => Promise.resolve({ head: { life: 1 } }));
    expect((await agent.ask({ head: {} }, asking())).head).toEqual({ life: 1 });
    await shut();
    await expect(agent.ask({ head: {} }, impatient)).rejects.toThrow();
    await open(ends, () => Promise.resolve({ head: { life: 2 } }));
    expect((await agent.ask({ head: {} }, asking())).head).toEqual({ life: 2 });
  });

  test('a new agent is heard after one that is gone in the middle of a question', async () => {
    const ends = await make();
    await open(ends, async ({ head }) => {
      if (head['slow']) await new Promise((resolve) => setTimeout(resolve, 200));
      return { head };
    });
    const gone = new AbortController();
    const first = (await ends.agent()).ask(
      { head: { slow: true } },
      { signal: gone.signal, patienceMS: PATIENCE },
    );
    setTimeout(() => gone.abort(new Error('killed')), 20);
    await expect(first).rejects.toThrow();
    const next = await ends.agent();
    expect((await next.ask({ head: { slow: false } }, asking())).head).toEqual({ slow: false });
  });
};

const bufferOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
