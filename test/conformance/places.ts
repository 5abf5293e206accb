/** Where the suite's programs, images and logs lie: outside of the checkout, kept from one run to the next. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const root = join(cache, 'glasshouse/conformance');

export const places = {
  root,
  /** The Go module that only says which versions are built. */
  module: join(root, 'src'),
  bin: join(root, 'bin'),
  packages: join(root, 'debian'),
  images: join(root, 'images'),
  runs: join(root, 'runs'),
  score: fileURLToPath(new URL('score.json', import.meta.url)),
};
