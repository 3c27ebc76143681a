/**
 * Third-party integration: a training system that can't be rewritten takes part through an agent. `taskExchanger` is the
 * site's end, `FlareAgent` the agent's; pipes between pages and workers are here, files and sockets in `agent/node`.
 */
export { AgentTask } from './agent/agent-task.ts';
export { AgentClosed, CallStateError, FlareAgent } from './agent/flare-agent.ts';
export type { FlareAgentOptions } from './agent/flare-agent.ts';
export { decodeMessage, encodeMessage } from './agent/message.ts';
export type { Head, Message } from './agent/message.ts';
export type { AgentPipe, Answerer, SitePipe } from './agent/pipe.ts';
export { PortAgentPipe, PortSitePipe } from './agent/pipes/port.ts';
export type { Port } from './agent/pipes/port.ts';
export { windowPort } from './agent/pipes/window-port.ts';
export { taskExchanger } from './agent/task-exchanger.ts';
