import { Client } from './client.ts';
import type { ClientOptions } from './client.ts';

/** FLARE's module-level functions: one client a process, as `import nvflare.client as flare` has. */
let current: Client | undefined;

/** The client that `init` made, for what speaks for it. Throws before `init`. */
export const theClient = (): Client => {
  if (!current) throw new Error('call init() first');
  return current;
};

/** Begins (see {@link Client.init}); the functions below then speak for this client. */
export const init = async (options: ClientOptions): Promise<Client> => {
  if (current) throw new Error('init() was called before: call shutdown() first');
  current = await Client.init(options);
  return current;
};

export const isRunning: Client['isRunning'] = () => theClient().isRunning();
export const receive: Client['receive'] = (options) => theClient().receive(options);
export const send: Client['send'] = (model) => theClient().send(model);
export const isTrain: Client['isTrain'] = () => theClient().isTrain();
export const isEvaluate: Client['isEvaluate'] = () => theClient().isEvaluate();
export const isSubmitModel: Client['isSubmitModel'] = () => theClient().isSubmitModel();
export const getTaskName: Client['getTaskName'] = () => theClient().getTaskName();
export const getSiteName: Client['getSiteName'] = () => theClient().getSiteName();
export const getJobId: Client['getJobId'] = () => theClient().getJobId();
export const systemInfo: Client['systemInfo'] = () => theClient().systemInfo();
export const getConfig: Client['getConfig'] = () => theClient().getConfig();
/** See {@link Client.clear}. */
export const clear: Client['clear'] = () => theClient().clear();
export const log: Client['log'] = (key, value, options) => theClient().log(key, value, options);

/** Stops the client; `init` may be called again. */
export const shutdown = async (): Promise<void> => {
  const ending = current;
  current = undefined;
  await ending?.shutdown();
};
