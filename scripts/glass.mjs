// `npm run glass -- …`: the command line from a clone.
import { join } from 'node:path';
import { ensureInstalled, root, run } from './install.mjs';

ensureInstalled({ development: false });
process.exit(run('node', [join(root, 'src/cmd/glass.ts'), ...process.argv.slice(2)], { cwd: process.cwd() }));
