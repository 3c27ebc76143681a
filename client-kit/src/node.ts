/** What the kit needs of Node: files for storage, and a device that runs with them. */
export { FileStore } from './runtimes/node/file-store.ts';
export { PolicyError } from './policy/document.ts';
export type { PolicyInput } from './policy/document.ts';
export { sitePolicy } from './policy/site-policy.ts';
export { AuditLog } from './runtimes/node/audit-log.ts';
export { readAudit } from './runtimes/node/audit-chain.ts';
export type { AuditEntry, AuditReading } from './runtimes/node/audit-chain.ts';
export { trustCa, useProxies } from './runtimes/node/outbound.ts';
export { runSite } from './runtimes/node/run-site.ts';
export type { NodeSiteOptions } from './runtimes/node/run-site.ts';
