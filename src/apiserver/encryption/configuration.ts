/** Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1): which resources are encrypted, by whom, in which order. */
import { type Clock, isObject, type Random } from '../../machinery/index.ts';
import { aescbc, aesgcm, type Cipher, identity, type Key } from './ciphers.ts';

export interface EncryptionContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Loads the part that speaks to key services. */
  kms(options: { name: string; endpoint: string; timeout: number }): Cipher;
}

export interface Encryption {
  /** The providers of a resource, the one that writes first; undefined: it is not encrypted. The core group is ''. */
  ciphersFor(group: string, resource: string): readonly Cipher[] | undefined;
  readonly ciphers: readonly Cipher[];
}

interface Rule {
  group: string;
  resource: string;
  ciphers: readonly Cipher[];
}

/** @throws TypeError that names the field, the value (never a secret) and what is expected */
export function encryptionOf(file: unknown, context: EncryptionContext): Encryption {
  if (!isObject(file) || file.kind !== 'EncryptionConfiguration' || file.apiVersion !== 'apiserver.config.k8s.io/v1')
    throw new TypeError('an EncryptionConfiguration of apiserver.config.k8s.io/v1 is expected');
  if (!Array.isArray(file.resources) || file.resources.length === 0)
    throw new TypeError('resources: at least one entry is expected');
  const rules: Rule[] = [];
  const all: Cipher[] = [];
  for (const [at, entry] of file.resources.entries()) {
    const field = `resources[${at}]`;
    if (!Array.isArray(entry?.resources) || entry.resources.length === 0)
      throw new TypeError(`${field}.resources: at least one is expected`);
    if (!Array.isArray(entry.providers) || entry.providers.length === 0)
      throw new TypeError(`${field}.providers: at least one is expected`);
    const ciphers = entry.providers.map((provider: unknown, i: number) =>
      cipherOf(`${field}.providers[${i}]`, provider, context),
    );
    all.push(...ciphers);
    for (const [i, name] of entry.resources.entries())
      rules.push({ ...resourceOf(`${field}.resources[${i}]`, name), ciphers });
  }
  return {
    ciphers: all,
    // the first entry that names it counts, be it by a wildcard
    ciphersFor: (group, resource) =>
      rules.find(
        (rule) => (rule.group === '*' || rule.group === group) && (rule.resource === '*' || rule.resource === resource),
      )?.ciphers,
  };
}

function resourceOf(field: string, name: unknown): { group: string; resource: string } {
  if (typeof name !== 'string' || name === '' || name !== name.toLowerCase())
    throw new TypeError(
      `${field}: ${JSON.stringify(name)}: a resource is expected, in lower case, such as secrets or *.apps`,
    );
  if (name === '*.*') return { group: '*', resource: '*' };
  const dot = name.indexOf('.');
  const [resource, group] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
  if (resource === '*' && dot < 0) throw new TypeError(`${field}: use "*." for the core group, "*.*" for all`);
  if (group.includes('*') || (resource !== '*' && resource.includes('*')))
    throw new TypeError(`${field}: ${name}: * stands for all resources of a group, or of all groups as "*.*"`);
  return { group, resource };
}

function cipherOf(field: string, provider: unknown, context: EncryptionContext): Cipher {
  const names = isObject(provider) ? Object.keys(provider) : [];
  if (names.length !== 1) throw new TypeError(`${field}: exactly one of aesgcm, aescbc, kms and identity is expected`);
  const [name] = names as [string];
  const given = (provider as Record<string, any>)[name];
  switch (name) {
    case 'identity':
      return identity;
    case 'aesgcm':
      return aesgcm(keysOf(`${field}.aesgcm`, given, [16, 24, 32]));
    case 'aescbc':
      return aescbc(keysOf(`${field}.aescbc`, given, [16, 24, 32]));
    case 'kms':
      return kmsOf(`${field}.kms`, given, context);
    default:
      throw new TypeError(`${field}.${name}: it is not supported; use aesgcm, aescbc, kms or identity`);
  }
}

function keysOf(field: string, given: any, sizes: readonly number[]): Key[] {
  if (!Array.isArray(given?.keys) || given.keys.length === 0)
    throw new TypeError(`${field}.keys: at least one is expected`);
  return given.keys.map(({ name, secret }: any, at: number) => {
    if (typeof name !== 'string' || name === '' || name.includes(':'))
      throw new TypeError(`${field}.keys[${at}].name: a name without ":" is expected`);
    if (typeof secret !== 'string' || !/^[A-Za-z0-9+/]+=*$/.test(secret))
      throw new TypeError(`${field}.keys[${at}].secret: base64 is expected`);
    const bytes = Buffer.from(secret, 'base64');
    if (!sizes.includes(bytes.length))
      throw new TypeError(
        `${field}.keys[${at}].secret: it has ${bytes.length} bytes; ${sizes.join(', ')} are possible`,
      );
    return { name, secret: bytes };
  });
}

function kmsOf(field: string, given: any, { kms }: EncryptionContext): Cipher {
  const { apiVersion, name, endpoint, timeout = '3s' } = given ?? {};
  if (apiVersion !== 'v2')
    throw new TypeError(`${field}.apiVersion: ${JSON.stringify(apiVersion)}: v2 is expected; v1 is not supported`);
  if (typeof name !== 'string' || name === '' || name.includes(':'))
    throw new TypeError(`${field}.name: a name without ":" is expected`);
  if (typeof endpoint !== 'string' || !/^unix:(\/\/\/|@)./.test(endpoint))
    throw new TypeError(`${field}.endpoint: ${JSON.stringify(endpoint)}: a socket is expected, as unix:///path`);
  const seconds = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(timeout);
  const scale: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };
  const milliseconds = seconds === null ? 0 : Number(seconds[1]) * scale[seconds[2]!]!;
  if (milliseconds <= 0)
    throw new TypeError(`${field}.timeout: ${JSON.stringify(timeout)}: a duration such as 3s is expected`);
  return kms({ name, endpoint, timeout: milliseconds });
}
