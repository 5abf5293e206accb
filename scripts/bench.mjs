// `npm run bench -- NAME [--json]` runs one benchmark; `npm run bench` lists them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root, run } from './install.mjs';

ensureInstalled({ development: true });
const [name, ...flags] = process.argv.slice(2);
const known = readdirSync(join(root, 'bench'))
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))
  .sort();
if (name === undefined) {
  process.stdout.write(`${known.join('\n')}\n`);
  process.exit(0);
}
if (!known.includes(name)) {
  process.stderr.write(`error: no benchmark is named ${name}: there are ${known.join(', ')}\n`);
  process.exit(2);
}
process.exit(run('node', [join(root, 'bench', `${name}.bench.ts`), ...flags]));
