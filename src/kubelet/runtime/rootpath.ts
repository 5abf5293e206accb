/** Paths inside a container's root filesystem, read from outside: an image's symlinks must not lead out of it. */
import { lstat, mkdir, readFile, readlink } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

const maximumLinks = 40;

/** Where `path` of the container lies on the host, its symlinks followed as the container would follow them. */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  const pending = path.split('/').filter((part) => part !== '');
  let inside = '/';
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift() as string;
    const next = normalize(join('/', inside, part));
    const target = await linkTarget(join(root, next));
    if (target === undefined) {
      inside = next;
      continue;
    }
    if (++links > maximumLinks) throw new Error(`${path}: too many symbolic links`);
    pending.unshift(...target.split('/').filter((piece) => piece !== ''));
    inside = target.startsWith('/') ? '/' : dirname(next);
  }
  return join(root, inside);
}

/** The text of a file of the container, '' when there is none. */
export async function readInRoot(root: string, path: string, limit = 1 << 20): Promise<string> {
  try {
    const text = await readFile(await resolveInRoot(root, path), 'utf8');
    return text.slice(0, limit);
  } catch {
    return '';
  }
}

export async function mkdirInRoot(root: string, path: string): Promise<string> {
  const real = await resolveInRoot(root, path);
  await mkdir(real, { recursive: true });
  return real;
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch {
    return undefined;
  }
}
