#!/usr/bin/env node
// The command itself is TypeScript, which Node runs since 22.18. An older Node hands over to the one that came with
// the optional dependency `node-linux-*`.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

if (process.features.typescript) {
  await import('../src/main.ts');
} else {
  const name = `node-${process.platform}-${process.arch}`;
  let node;
  try {
    node = createRequire(import.meta.url).resolve(`${name}/bin/node`);
  } catch {
    console.error(`tributary needs Node 22.18 or newer (this is ${process.version})`);
    process.exit(1);
  }
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}
