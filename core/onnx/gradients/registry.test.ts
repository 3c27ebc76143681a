import { expect, test } from 'vitest';
import { vector } from '../runtime.suite.ts';
import { GRADIENTS, OPSETS } from './registry.ts';

/** Opsets of each operator, as the onnx package has them: make_operators.py. */
const { operators } = vector('operators') as {
  operators: Readonly<Record<string, readonly [since: number, last: number]>>;
};
const read = Object.entries(operators).filter(([, [, last]]) => last >= OPSETS[0]);

test('every operator of ai.onnx is registered, and nothing else', () => {
  expect(Object.keys(GRADIENTS)).toEqual(read.map(([op]) => op).toSorted());
});

/** They also stand for the operators that they replaced. */
const EARLIER = ['Resize', 'ScatterElements'];

test.each(read)('%s has its own opsets', (op, [since, last]) => {
  const first = EARLIER.includes(op) ? OPSETS[0] : Math.max(since, OPSETS[0]);
  expect(GRADIENTS[op]?.opset).toEqual([first, last]);
});

test('most are differentiated; each other says why not', () => {
  const entries = Object.values(GRADIENTS);
  const differentiated = entries.filter((entry) => 'rule' in entry || 'parts' in entry);
  expect(differentiated.length).toBeGreaterThanOrEqual(110);
  for (const entry of entries) {
    const why = 'none' in entry ? entry.none : 'forbidden' in entry ? entry.forbidden : undefined;
    if (why !== undefined) expect(why).toMatch(/^(it|its|a|how|lists|control|rounding) .{8,}/);
  }
});

/** What people read. `vitest -u` writes it. */
const table = (): string => {
  const rows = Object.entries(GRADIENTS).map(([op, entry]) => {
    const how =
      'rule' in entry
        ? 'gradient'
        : 'parts' in entry
          ? 'gradient, written out in its parts'
          : 'none' in entry
            ? `none: ${entry.none}`
            : `forbidden: ${entry.forbidden}`;
    return `| ${op} | ${entry.opset.join('-')} | ${how} |`;
  });
  const counted = Object.values(GRADIENTS).filter((e) => 'rule' in e || 'parts' in e).length;
  return `# Operators

What a node does when a model is trained through it: all ${rows.length} operators of ai.onnx up to opset ${OPSETS[1]}, ${counted} of them
differentiated. *None* means that nothing flows back, which is right: the derivative is zero, or the output is a
count, an index or a shape. *Forbidden* means that a model is refused, with the node and its path to the loss, if what
is trained lies behind such a node; before that it may stand. Operators of other domains (ai.onnx.ml, com.microsoft)
may stand there, too.

| operator | opsets | |
|---|---|---|
${rows.join('\n')}
`;
};

test('docs/operators.md says the same', async () => {
  await expect(table()).toMatchFileSnapshot('../../../docs/operators.md');
});
