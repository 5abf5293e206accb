#!/usr/bin/env node
// Starts `glass` on a Node that can run it: this one, or the one that was installed beside it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { malloc } from './malloc.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(root, 'src', 'cmd', 'glass.ts');
if (Number(process.versions.node.split('.')[0]) >= 24) await import(main);
else {
  const node = join(root, 'node_modules', '.bin', 'node');
  if (!existsSync(node)) {
    process.stderr.write(
      `glass needs Node 24 or newer (this is ${process.version}): run "npm install" in ${root} first\n`,
    );
    process.exit(1);
  }
  const env = { ...malloc, ...process.env };
  const { status, signal } = spawnSync(node, [main, ...process.argv.slice(2)], { stdio: 'inherit', env });
  if (signal) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}
