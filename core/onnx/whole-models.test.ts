import { describe, expect, test } from 'vitest';
import { expectCurve, modelOf, programsOf, stateDictOf, trainingOf } from './whole-models.suite.ts';

const NAMES = [
  'mlp',
  'lenet',
  'resnet18',
  'mobilenetv2',
  'efficientnet',
  'unet',
  'lstm',
  'gru',
  'encoder',
  'gpt',
  'vit',
];

describe.each(NAMES)("PyTorch's %s follows PyTorch's loss curve", (name) => {
  const training = trainingOf(name);

  test("from the older exporter, with this project's flags", async () => {
    await expectCurve(programsOf(modelOf(name, 'old'), training), training);
  });

  test('from the newer exporter, under the names of state_dict', async () => {
    const programs = programsOf(modelOf(name, 'new'), training, { stateDict: stateDictOf(name) });
    expect([...programs.parameters.keys()].toSorted()).toEqual(
      [...stateDictOf(name).keys()].toSorted(),
    );
    await expectCurve(programs, training);
  });
});

// By default the older exporter folds BatchNorm into convolutions, transposes weights, reorders the gates of recurrent layers
// and merges what is equal (the layers of nn.TransformerEncoder start as copies of one another).
test.each(['resnet18', 'lstm', 'gru', 'encoder'])(
  'a default export of %s is taken apart again',
  async (name) => {
    const training = trainingOf(name);
    const model = modelOf(name, 'default');
    const without = programsOf(model, training).parameters;
    expect([...without.keys()].some((key) => key.startsWith('onnx::'))).toBe(true);
    const programs = programsOf(model, training, { stateDict: stateDictOf(name) });
    expect(new Map(programs.parameters)).toEqual(stateDictOf(name));
    await expectCurve(programs, training);
  },
);
