// `npm start`: a cluster from a fresh clone. What follows `--` is passed on to `glass up`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { malloc } from '../bin/malloc.mjs';
import { ensureInstalled, nodeBinary, root } from './install.mjs';

ensureInstalled({ development: false });
const child = spawn(nodeBinary(), [join(root, 'src/cmd/glass.ts'), 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...malloc, ...process.env },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
// the shell between npm and us passes no signal on: when npm was ended, so are we
const parent = process.ppid;
const looking = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(looking);
  child.kill('SIGTERM');
}, 500).unref();
child.on('exit', (code, signal) => process.exit(signal ? 0 : (code ?? 1)));
