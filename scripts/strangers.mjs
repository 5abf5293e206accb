// `npm run strangers -- SUITE`: software that this project did not write, against Glasshouse; see test/strangers.
import { ensureInstalled, root, run } from './install.mjs';
import { join } from 'node:path';

ensureInstalled({ development: true });
process.exit(run('node', [join(root, 'test', 'strangers', 'run.ts'), ...process.argv.slice(2)]));
