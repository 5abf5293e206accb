// `npm run simulate`: simulated clusters, seed after seed, until one fails or it is told to stop.
import { ensureInstalled, root, run } from './install.mjs';
import { join } from 'node:path';

ensureInstalled({ development: true });
process.exit(run('node', [join(root, 'test', 'faults', 'simulate.ts'), ...process.argv.slice(2)]));
