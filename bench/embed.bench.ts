/** `startCluster()` to the first accepted request, in a fresh process each time: what a test file pays. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { report } from './report.ts';

const runs = 9;
const one = fileURLToPath(new URL('./embed/once.ts', import.meta.url));

const figures = Array.from({ length: runs + 1 }, () =>
  Number(execFileSync(process.execPath, [one], { encoding: 'utf8' })),
);
report({
  name: 'embed',
  what: 'startCluster() to the first accepted request, a fresh process each run, modules loaded',
  unit: 'ms',
  // the first one fills the machine's caches
  figures: figures.slice(1),
  goal: 'under 50 ms',
  met: (median) => median < 50,
});
