import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import type { FLModel } from '../fl-model.ts';
import { ModelLearner } from '../model-learner/model-learner.ts';
import { modelLearner } from '../model-learner/model-learner-executor.ts';
import { FLComponent } from './component.ts';
import { components } from './engine.ts';

/** What NVFlare's own client fired and asked its learner, over two rounds of training: tests/vectors/flare. */
const { heard: flare } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../tests/vectors/flare/events.json'), 'utf8'),
) as { heard: [string, string][] };

test('the events of a site and the calls of its learner: those of an NVFlare client, in its order', async () => {
  const heard: [string, string][] = [];
  class Recorder extends FLComponent {
    override handleEvent(eventType: string): void {
      heard.push(['event', eventType]);
    }
  }
  class Learner extends ModelLearner {
    override initialize(): void {
      heard.push(['learner', 'initialize']);
    }
    override train({ params = numbers(0) }: FLModel): FLModel {
      heard.push(['learner', 'train']);
      return { params, meta: { NUM_STEPS_CURRENT_ROUND: 1 } };
    }
    override validate(): FLModel {
      heard.push(['learner', 'validate']);
      return { metrics: { accuracy: 0.5 } };
    }
    override finalize(): void {
      heard.push(['learner', 'finalize']);
    }
  }
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['train'], use: 'app' }] }, [
    { id: 't0', name: 'train', model: encode(numbers(1, 2)) },
    { id: 't1', name: 'train', round: 1, model: encode(numbers(3, 4)) },
  ]).ended = true;
  await serve(server, ended, {
    app: modelLearner(() => new Learner()),
    components: components(() => ({ recorder: new Recorder() })),
  });
  expect(heard).toEqual(flare);
  expect(server.tensorsOf('t1').header).toMatchObject({
    return_code: 'OK',
    metrics: { accuracy: 0.5 },
    meta: { NUM_STEPS_CURRENT_ROUND: 1 },
    peer_props: { __identity_name__: 'hospital-a', __run_num__: 'j' },
  });
});
