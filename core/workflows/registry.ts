import { crossSiteEval } from './cross-site-eval.ts';
import { cyclic } from './cyclic.ts';
import { fedAvg } from './fed-avg.ts';
import type { Workflow } from './workflow.ts';

/** Every workflow that a spec may name: one line each. */
export const WORKFLOWS: Record<string, Workflow> = {
  'fed-avg': fedAvg,
  cyclic,
  'cross-site-eval': crossSiteEval,
};
