import * as v from 'valibot';
import { err, ok } from '../tensors/result.ts';
import { DATA_KINDS } from '../protocol/data-kind.ts';
import { defineFilter } from './define.ts';

const Args = v.strictObject({
  dataKinds: v.pipe(v.array(v.picklist(DATA_KINDS)), v.minLength(1, 'at least one kind')),
  /** True: only these kinds may go; false: all but these. */
  allowDataKinds: v.optional(v.boolean(), false),
});

/** Lets only some kinds of data pass. FLARE's DXOBlocker(data_kinds, allow_data_kinds). */
export const dxoBlocker = defineFilter(
  {
    name: 'dxo-blocker',
    needs: 'ANY',
    on: { site: ['data', 'result'], server: ['data', 'result'] },
    impliesPartial: false,
  },
  Args,
  ({ dataKinds, allowDataKinds }) => ({
    about: ({ kind }) =>
      dataKinds.includes(kind) === allowDataKinds
        ? ok({})
        : err({ reason: 'blocked', detail: `${kind} may not pass` }),
  }),
);
