// `npm run fuzz`: malformed requests against a server of its own; see test/fuzz.
import { ensureInstalled, root, run } from './install.mjs';
import { join } from 'node:path';

ensureInstalled({ development: true });
process.exit(run('node', [join(root, 'test', 'fuzz', 'main.ts'), ...process.argv.slice(2)]));
