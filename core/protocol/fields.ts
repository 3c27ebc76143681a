import * as v from 'valibot';
import { LIMITS } from './limits.ts';

/** A record that a site sends, of bounded size: whoever lists many of them holds them in memory. */
export const fieldsOf = <Value, Input>(value: v.GenericSchema<Input, Value>) =>
  v.pipe(
    v.record(
      v.pipe(
        v.string(),
        v.maxLength(LIMITS.metricKeyLength, `at most ${LIMITS.metricKeyLength} characters`),
      ),
      value,
    ),
    v.check(
      (fields) => Object.keys(fields).length <= LIMITS.fields,
      `at most ${LIMITS.fields} fields`,
    ),
  );
