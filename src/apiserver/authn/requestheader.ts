/**
 * A proxy in front that has found out who asks, and says so in headers (X-Remote-User and its like). It is believed when its certificate is of
 * the proxies' own authority and bears a name that is allowed; from anybody else these headers mean nothing.
 */
import { StatusError } from '../../machinery/index.ts';
import type { Headers } from '../exchange.ts';
import type { User } from '../request.ts';

export interface RequestHeader {
  /** PEM of the authority of the proxies: not the one whose certificates name users. */
  readonly authority: string;
  /** Common names that proxies may have; empty: any. */
  readonly allowedNames: readonly string[];
}

/** Whom the proxy names; undefined: nobody. Throws when it is not one that may. */
export function namedByProxy(
  commonName: string | undefined,
  headers: Headers,
  { allowedNames }: Pick<RequestHeader, 'allowedNames'>,
): User | undefined {
  if (allowedNames.length > 0 && !allowedNames.includes(commonName ?? '')) throw StatusError.unauthorized();
  const name = valuesOf(headers['x-remote-user'])[0];
  if (!name) return undefined;
  const uid = valuesOf(headers['x-remote-uid'])[0];
  const extra: Record<string, string[]> = Object.create(null);
  for (const [header, value] of Object.entries(headers))
    if (header.startsWith(extraPrefix)) extra[keyOf(header.slice(extraPrefix.length))] = valuesOf(value);
  return {
    name,
    groups: valuesOf(headers['x-remote-group']),
    ...(uid && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

const extraPrefix = 'x-remote-extra-';

function valuesOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat();
}

function keyOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
