import { expect, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import { f32 } from '../../tests/workerd/bytes-room.ts';
import { admin, newJob, site } from '../../tests/workerd/job-fixture.ts';
import type { TestJob } from '../../tests/workerd/job-fixture.ts';

const file = encode(
  new Map([['numpy_key', f32([3, 3], new Float32Array(9))]]),
  new Map([['fl_model', '{"params_type":"FULL"}']]),
);
const part = {
  'content-range': `bytes 0-${file.length - 1}/${file.length}`,
  'repr-digest': `sha-256=:${btoa('x'.repeat(32))}:`,
};

/** A result, whole or as a part, of which all but the last byte is sent until it is told to end. */
const slowly = async (
  job: TestJob,
  name: string,
  task: string,
  headers: Record<string, string>,
) => {
  const { readable, writable } = new FixedLengthStream(file.length);
  const answer = job.fetch(`/tasks/${task}/result`, site(name), {
    method: 'PUT',
    body: readable,
    headers: { 'content-type': 'application/x-safetensors', ...headers },
  });
  const writer = writable.getWriter();
  await writer.write(file.slice(0, -1));
  return async (): Promise<unknown> => {
    await writer.write(file.slice(-1));
    await writer.close();
    const response = await answer;
    return [response.status, await response.json()];
  };
};

test.each([
  ['whole', {}],
  ['a part', part],
])(
  'a result on its way (%s) is late when its task closes, duplicate when its site answers',
  async (_, headers) => {
    const args = { rounds: 1, minResponses: 1, waitAfterMin: 100, selection: 'none' };
    const workflows = [{ id: 'train', use: 'fed-avg', args }];
    const job = await newJob({ workflows, minSites: 2 }, { sites: ['a', 'b'] });
    for (const name of ['a', 'b']) await job.poll(name);
    const { id } = await job.task('a');
    await job.task('b');
    const [first, second] = [
      await slowly(job, 'a', id, headers),
      await slowly(job, 'b', id, headers),
    ];
    const tensors = new Map([['numpy_key', f32([3, 3], new Float32Array(9).fill(1))]]);
    expect(await job.reply('a', id, { params_type: 'FULL' }, tensors)).toEqual({
      status: 'accepted',
    });
    expect(await first()).toEqual([200, { status: 'duplicate' }]);
    await job.call((stub) => stub.abort(admin));
    expect(await second()).toEqual([200, { status: 'late' }]);
  },
);
