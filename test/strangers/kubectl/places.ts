/** Where upstream's tree, programs and logs lie: outside of the checkout, kept from one run to the next. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const root = join(cache, 'glasshouse/strangers/kubectl');

export const places = {
  tree: join(root, 'tree'),
  bin: join(root, 'tree/_output/bin'),
  logs: join(root, 'logs'),
  driver: fileURLToPath(new URL('upstream.sh', import.meta.url)),
};
