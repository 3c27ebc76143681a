import type { Command } from '../command.ts';
import { enrolmentCreate } from './enrolment-create.ts';
import { jobAbort } from './job-abort.ts';
import { jobClone } from './job-clone.ts';
import { jobDelete } from './job-delete.ts';
import { jobDownload } from './job-download.ts';
import { jobList } from './job-list.ts';
import { jobResume } from './job-resume.ts';
import { jobShow } from './job-show.ts';
import { jobSubmit } from './job-submit.ts';
import { jobWatch } from './job-watch.ts';
import { login } from './login.ts';
import { modelExport } from './model-export.ts';
import { modelInspect } from './model-inspect.ts';
import { modelPrepare } from './model-prepare.ts';
import { modelTrain } from './model-train.ts';
import { siteAudit } from './site-audit.ts';
import { siteList } from './site-list.ts';
import { siteRevoke } from './site-revoke.ts';
import { siteRun } from './site-run.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  login,
  enrolmentCreate,
  siteList,
  siteRevoke,
  siteRun,
  siteAudit,
  jobSubmit,
  jobList,
  jobShow,
  jobWatch,
  jobAbort,
  jobClone,
  jobResume,
  jobDelete,
  jobDownload,
  modelInspect,
  modelPrepare,
  modelTrain,
  modelExport,
];
