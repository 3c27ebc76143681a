import { create } from '@bufbuild/protobuf';
import type { InputSpec, Manifest, MetricSpec } from '../tensors/manifest.ts';
import type { Result } from '../tensors/result.ts';
import { decodeModel, encodeModel, toGraphProto } from './codec.ts';
import { refuse, settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph, Output, Value, ValueType } from './graph.ts';
import { METADATA_KEY } from './program.ts';
import type { Program } from './program.ts';
import { AttributeProto_AttributeType as Type, AttributeProtoSchema } from './proto/onnx_pb.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** The dimension that a run's steps lie along. */
const STEPS = 'steps';
const GO = { name: 'loop/go', dtype: 'BOOL', shape: [] } as const;
const AT = { name: 'loop/at', dtype: 'I64', shape: [] } as const;

/**
 * A train program that takes as many steps a run as it is fed batches: the program's graph is the body of an ONNX `Loop`
 * (Loop-11) over them, and parameters and state pass from step to step inside. The steps are those that as many single
 * runs take, to the bit. It spares small models the copying in and out of ONNX Runtime's memory (of an MLP with 100,000
 * parameters on WASM a fifth of a step with SGD, a third with Adam). Refuses what isn't a train program, and one whose
 * noise differs from step to step.
 */
export const looped = (program: Program): Result<Program, DifferentiateFault> =>
  settle(() => loopOf(program));

const loopOf = ({ model, manifest }: Program): Program => {
  if (manifest.kind !== 'train' || manifest.loop === true) {
    refuse({ reason: 'bad_option', option: 'program', detail: 'expected a train program' });
  }
  if (manifest.terms?.some(({ kind }) => kind === 'noise')) {
    refuse({ reason: 'bad_option', option: 'program', detail: 'each step needs its own noise' });
  }
  const body = decodeModel(model);
  const carried = [...manifest.parameters, ...manifest.state].flatMap(
    ({ input, output, dtype, shape }) =>
      output === undefined ? [] : [{ input, output, dtype, shape }],
  );
  const looping = manifestOf(manifest);
  const fed = specsOf(manifest);
  const sums = [
    ...new Set(manifest.metrics.flatMap(({ output, count }) => [output, count ?? []].flat())),
  ];
  const typeOf = new Map(body.outputs.map(({ name, type }) => [name, type]));
  const loop = makeNode(
    'Loop',
    ['loop/count', '', ...carried.map(({ input }) => first(input))],
    [...carried.map(({ output }) => last(output)), ...sums.map(all)],
  );
  loop.attribute = [
    create(AttributeProtoSchema, {
      name: 'body',
      type: Type.GRAPH,
      g: toGraphProto(bodyOf(body, fed, carried, sums)),
    }),
  ];
  const steady = [...manifest.parameters, ...(manifest.terms ?? [])].filter(
    (spec) => !('output' in spec) || spec.output === undefined,
  );
  const inputs: Value[] = [
    ...steady.map(({ input, dtype, shape }) => ({ name: input, dtype, shape })),
    ...carried.map(({ input, dtype, shape }) => ({ name: first(input), dtype, shape })),
    ...fed.map(({ input, dtype, shape }) => ({
      name: each(input),
      dtype,
      shape: [STEPS, ...shape],
    })),
  ];
  return {
    manifest: looping,
    model: encodeModel({
      ...body,
      name: 'train loop',
      inputs,
      outputs: [
        ...carried.map(({ output, dtype, shape }) => ({
          name: last(output),
          type: { dtype, shape },
        })),
        ...sums.map((name) => stacked(all(name), typeOf.get(name))),
      ],
      nodes: [...counting(manifest.inputs.x), loop],
      initializers: new Map(),
      constants: new Map([['loop/zero', { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) }]]),
      metadata: new Map([...body.metadata, [METADATA_KEY, JSON.stringify(looping)]]),
    }),
  };
};

// What the loop's own inputs and outputs are called, beside those of its body: an inner name must not hide an outer one.
const first = (input: string): string => `first/${input}`;
const last = (output: string): string => `last/${output}`;
const each = (input: string): string => `each/${input}`;
const all = (output: string): string => `all/${output}`;

const stacked = (name: string, type: ValueType | undefined): Output =>
  type === undefined ? { name } : { name, type: { ...type, shape: [STEPS, ...type.shape] } };

/** Inputs that differ from step to step. */
const specsOf = ({ inputs: { x, more = [], y, lr, seed, step, mu } }: Manifest): InputSpec[] =>
  [x, ...more, y, lr, seed, step, mu].filter((spec) => spec !== undefined);

/** The number of steps: how many batches there are. */
const counting = (x: InputSpec): NodeProto[] => [
  makeNode('Shape', [each(x.input)], ['loop/shape']),
  makeNode('Gather', ['loop/shape', 'loop/zero'], ['loop/count'], { axis: 0 }),
];

/** The program's graph, fed from the stacks that lie outside. */
const bodyOf = (
  graph: Graph,
  fed: readonly InputSpec[],
  carried: readonly { readonly input: string; readonly output: string }[],
  sums: readonly string[],
): Graph => {
  const inputOf = new Map(graph.inputs.map((value) => [value.name, value]));
  const outputOf = new Map(graph.outputs.map((output) => [output.name, output]));
  return {
    ...graph,
    name: 'step',
    inputs: [AT, GO, ...carried.flatMap(({ input }) => inputOf.get(input) ?? [])],
    outputs: [
      { name: 'loop/goes', type: GO },
      ...[...carried.map(({ output }) => output), ...sums].flatMap(
        (name) => outputOf.get(name) ?? [],
      ),
    ],
    nodes: [
      makeNode('Identity', [GO.name], ['loop/goes']),
      ...fed.map(({ input }) => makeNode('Gather', [each(input), AT.name], [input], { axis: 0 })),
      ...graph.nodes,
    ],
  };
};

/** What the loop takes and gives, in the program's terms. */
const manifestOf = (manifest: Manifest): Manifest => {
  const spec = ({ input, dtype, shape }: InputSpec): InputSpec => ({
    input: each(input),
    dtype,
    shape: [STEPS, ...shape],
  });
  const { x, more, ...others } = manifest.inputs;
  return {
    ...manifest,
    loop: true,
    parameters: manifest.parameters.map((parameter) =>
      parameter.output === undefined
        ? parameter
        : { ...parameter, input: first(parameter.input), output: last(parameter.output) },
    ),
    state: manifest.state.map((state) => ({
      ...state,
      input: first(state.input),
      output: last(state.output),
    })),
    inputs: {
      x: spec(x),
      ...(more && { more: more.map(spec) }),
      ...Object.fromEntries(Object.entries(others).map(([key, value]) => [key, spec(value)])),
    },
    metrics: manifest.metrics.map(({ name, output, kind, count }): MetricSpec => ({
      name,
      output: all(output),
      kind,
      ...(count !== undefined && { count: all(count) }),
    })),
  };
};
