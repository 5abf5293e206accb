/** Which credentials are for which image: the rules of docker's configuration file and of pull secrets. */
import { ImageError } from '../errors.ts';
import type { Reference } from '../reference.ts';

export interface RegistryAuth {
  /** The registry (and, optionally, path) it is for, as in a docker config's `auths`. */
  server: string;
  username?: string;
  password?: string;
  identityToken?: string;
}

const dockerHub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** Those that fit an image, the most specific first. */
export function credentialsFor(reference: Reference, auths: readonly RegistryAuth[]): RegistryAuth[] {
  const fitting = auths
    .map((auth) => ({ auth, ...parseServer(auth.server) }))
    .filter(({ host, path }) => fits(reference, host, path));
  return fitting
    .toSorted((a, b) => b.path.length - a.path.length || b.host.length - a.host.length)
    .map(({ auth }) => auth);
}

function parseServer(server: string): { host: string; path: string } {
  const bare = server
    .trim()
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '');
  const slash = bare.indexOf('/');
  const path = slash < 0 ? '' : bare.slice(slash + 1);
  return { host: slash < 0 ? bare : bare.slice(0, slash), path: path === 'v1' || path === 'v2' ? '' : path };
}

function fits(reference: Reference, host: string, path: string): boolean {
  if (host === '') return false;
  const sameHost =
    reference.registry === 'docker.io' && dockerHub.has(host) ? true : hostMatches(host, reference.registry);
  return sameHost && (path === '' || reference.repository === path || reference.repository.startsWith(`${path}/`));
}

/** `*` stands for a part of one label: `*.example.com` fits `a.example.com`, not `a.b.example.com`. */
function hostMatches(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const [patterns, labels] = [pattern.split('.'), host.split('.')];
  return (
    patterns.length === labels.length &&
    patterns.every((part, at) => {
      const form = part.replace(/[\\^$+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*');
      return new RegExp(`^${form}$`).test(labels[at] ?? '');
    })
  );
}

/** Reads the content of a `.dockerconfigjson` or a `.dockercfg`. Errors never quote it. */
export function parseDockerConfig(text: string): RegistryAuth[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  if (typeof document !== 'object' || document === null)
    throw new ImageError('ErrImagePull', 'the docker configuration is not a JSON object');
  const auths = ('auths' in document ? document.auths : document) as Record<string, Record<string, unknown>> | null;
  return Object.entries(auths ?? {}).flatMap(([server, entry]) =>
    typeof entry === 'object' && entry !== null ? [authOf(server, entry)] : [],
  );
}

function authOf(server: string, entry: Record<string, unknown>): RegistryAuth {
  const text = (key: string) =>
    typeof entry[key] === 'string' && entry[key] !== '' ? (entry[key] as string) : undefined;
  const pair = Buffer.from(text('auth') ?? '', 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const username = colon < 0 ? text('username') : pair.slice(0, colon);
  const password = colon < 0 ? text('password') : pair.slice(colon + 1).replace(/\0+$/, '');
  const identityToken = text('identitytoken');
  return {
    server,
    ...(username && { username }),
    ...(password && { password }),
    ...(identityToken && { identityToken }),
  };
}
