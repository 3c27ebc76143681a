#!/usr/bin/env node
// Published, the command is one bundle. In the repository it is the TypeScript sources, which Node runs since 22.18: an
// older one hands over to the Node that came with the optional dependency `node-linux-*`.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const source = new URL('../src/main.ts', import.meta.url);

if (!existsSync(source)) {
  await import('../dist/main.js');
} else if (process.features.typescript) {
  await import(source.href);
} else {
  const name = `node-${process.platform}-${process.arch}`;
  let node;
  try {
    node = createRequire(import.meta.url).resolve(`${name}/bin/node`);
  } catch {
    console.error(`tributary needs Node 22.18 or newer (this is ${process.version})`);
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(source), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}
