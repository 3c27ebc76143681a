import { ModelLearner, modelLearner } from '../../src/model-learner.ts';
import type { FLModel } from '../../src/model-learner.ts';
import { serveTasks } from '../../src/worker.ts';

class Learner extends ModelLearner {
  calls: string[] = [];

  override initialize(): void {
    this.calls.push('initialize');
  }

  override validate(): FLModel {
    this.calls.push('validate');
    return { metrics: { accuracy: 0.25 } };
  }

  override train({ params = new Map() }: FLModel): FLModel {
    this.calls.push('train');
    return { params, meta: { calls: this.calls, site: this.siteName, round: this.currentRound } };
  }

  override getModel(): 'EMPTY_RESULT' {
    return 'EMPTY_RESULT';
  }

  override async finalize(): Promise<void> {
    this.calls.push('finalize');
    await this.warning(this.calls.join());
  }
}

serveTasks(modelLearner(() => new Learner()));
