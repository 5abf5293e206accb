/** Where the client libraries, their tests and the logs lie: outside of the checkout, kept from one run to the next. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const root = join(cache, 'glasshouse/strangers/clients');

export const places = { root, logs: join(root, 'logs'), images: join(root, 'images') };

/** Some folders of a repository of the clients' authors, as it is today; returns where. */
export function checkout(name: string, folders: readonly string[]): string {
  const clone = join(root, name);
  mkdirSync(root, { recursive: true });
  const git = (...args: string[]) => execFileSync('git', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (!existsSync(clone)) {
    const from = `https://github.com/kubernetes-client/${name}`;
    git('clone', '--quiet', '--depth', '1', '--filter=blob:none', '--no-checkout', from, clone);
  }
  if (!existsSync(join(clone, folders[0]!))) {
    git('-C', clone, 'sparse-checkout', 'set', '--no-cone', ...folders.map((folder) => `/${folder}`));
    git('-C', clone, 'checkout', '--quiet');
  }
  return clone;
}
