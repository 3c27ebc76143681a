import { Client } from './client.ts';
import type { ClientOptions } from './client.ts';

/** FLARE's module-level functions: one client a process, as `import nvflare.client as flare` has. */
let current: Client | undefined;

const client = (): Client => {
  if (!current) throw new Error('call init() first');
  return current;
};

/** Begins (see {@link Client.init}); the functions below then speak for this client. */
export const init = async (options: ClientOptions): Promise<Client> => {
  if (current) throw new Error('init() was called before: call shutdown() first');
  current = await Client.init(options);
  return current;
};

export const isRunning: Client['isRunning'] = () => client().isRunning();
export const receive: Client['receive'] = (options) => client().receive(options);
export const send: Client['send'] = (model) => client().send(model);
export const isTrain: Client['isTrain'] = () => client().isTrain();
export const isEvaluate: Client['isEvaluate'] = () => client().isEvaluate();
export const isSubmitModel: Client['isSubmitModel'] = () => client().isSubmitModel();
export const getTaskName: Client['getTaskName'] = () => client().getTaskName();
export const getSiteName: Client['getSiteName'] = () => client().getSiteName();
export const getJobId: Client['getJobId'] = () => client().getJobId();
export const systemInfo: Client['systemInfo'] = () => client().systemInfo();
export const getConfig: Client['getConfig'] = () => client().getConfig();
/** See {@link Client.clear}. */
export const clear: Client['clear'] = () => client().clear();
export const log: Client['log'] = (key, value, options) => client().log(key, value, options);

/** Stops the client; `init` may be called again. */
export const shutdown = async (): Promise<void> => {
  const ending = current;
  current = undefined;
  await ending?.shutdown();
};
