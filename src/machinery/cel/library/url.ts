/** URLs, read as Go reads them: absolute, or a path from the root. */
import { decodeUtf8, encodeUtf8 } from '../bytes.ts';
import { CelMap, Opaque } from '../values.ts';
import { EvaluationError, fail } from '../failure.ts';
import type { Library } from '../environment.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { sizeOf, traversal } from '../size.ts';
import { structType } from '../types.ts';

export const urlType = structType('kubernetes.URL', { get: () => undefined, plain: true });
const overload = overloadWith(new Map([['URL', urlType]]));

interface Parts {
  readonly scheme: string;
  readonly host: string;
  /** As written. */
  readonly path: string;
  readonly query: string;
}

class Url extends Opaque {
  readonly type = urlType;
  readonly text: string;
  readonly parts: Parts;
  constructor(text: string, parts: Parts) {
    super();
    this.text = text;
    this.parts = parts;
  }

  equals(other: unknown): boolean {
    return other instanceof Url && other.text === this.text;
  }
}

/** Fails with why it is none. */
function parse(text: string): Parts {
  const problem = (what: string): never => fail(`parse ${JSON.stringify(text)}: ${what}`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) problem('net/url: invalid control character in URL');
  if (text === '') problem('empty url');
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text);
  if (text.startsWith(':')) problem('missing protocol scheme');
  let rest = scheme ? text.slice(scheme[0].length) : text;
  const written = rest;
  const mark = rest.indexOf('?');
  let query = mark < 0 ? '' : rest.slice(mark + 1);
  if (mark >= 0) rest = rest.slice(0, mark);
  let host = '';
  if (!rest.startsWith('/')) {
    if (!scheme) problem('invalid URI for request');
    return { scheme: (scheme?.[1] ?? '').toLowerCase(), host, path: '', query: withoutFragment(query) };
  }
  if (scheme && rest.startsWith('//')) {
    const slash = rest.indexOf('/', 2);
    const authority = rest.slice(2, slash < 0 ? undefined : slash);
    rest = slash < 0 ? '' : rest.slice(slash);
    host = hostOf(authority, problem);
  }
  const escape = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(rest);
  if (escape) problem(`invalid URL escape ${JSON.stringify(escape[0])}`);
  if (written.includes('#')) {
    if (rest.includes('#')) query = '';
    rest = withoutFragment(rest);
    host = withoutFragment(host);
  }
  return { scheme: (scheme?.[1] ?? '').toLowerCase(), host, path: rest, query: withoutFragment(query) };
}

const withoutFragment = (text: string) => text.replace(/#.*$/s, '');

function hostOf(authority: string, problem: (what: string) => never): string {
  const at = authority.lastIndexOf('@');
  const user = authority.slice(0, Math.max(0, at));
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user)) problem('net/url: invalid userinfo');
  const host = authority.slice(at + 1);
  if (host.startsWith('[')) {
    const end = host.lastIndexOf(']');
    if (end < 0) problem("missing ']' in host");
    checkPort(host.slice(end + 1), problem);
    return host;
  }
  const colon = host.lastIndexOf(':');
  if (colon >= 0) checkPort(host.slice(colon), problem);
  const bad = /[^A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"%\u0080-\uffff]/.exec(host);
  if (bad) problem(`invalid character ${JSON.stringify(bad[0])} in host name`);
  const escape = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(host);
  if (escape) problem(`invalid URL escape ${JSON.stringify(escape[0])}`);
  return host;
}

function checkPort(port: string, problem: (what: string) => never): void {
  if (!/^(:\d*)?$/.test(port)) problem(`invalid port ${JSON.stringify(port)} after host`);
}

function urlOf(text: string): Url {
  try {
    return new Url(text, parse(text));
  } catch (error) {
    if (error instanceof EvaluationError)
      return fail(`URL parse error during conversion from string: ${error.message}`);
    throw error;
  }
}

/** Why a text is no URI; undefined when it is one. */
export function uriProblem(text: string): string | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    if (error instanceof EvaluationError) return error.message;
    throw error;
  }
}

function hostname({ parts: { host } }: Url): string {
  if (host.startsWith('[')) return host.slice(1, host.lastIndexOf(']'));
  return host.replace(/:\d*$/, '');
}

const port = ({ parts: { host } }: Url) => /:(\d*)$/.exec(host.replace(/^\[.*\]/, ''))?.[1] ?? '';

function unescape(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; ) {
    if (text[i] === '%') {
      bytes.push(Number.parseInt(text.slice(i + 1, i + 3), 16));
      i += 3;
    } else {
      const point = String.fromCodePoint(text.codePointAt(i) as number);
      bytes.push(...encodeUtf8(point));
      i += point.length;
    }
  }
  return decodeUtf8(Uint8Array.from(bytes)) ?? text;
}

/** The path with escapes: as written where that is valid. */
function escapedPath({ parts: { path } }: Url): string {
  if (/^[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/%]*$/.test(path)) return path;
  return [...encodeUtf8(unescape(path) ?? path)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9\-_.~$&+,/:;=@]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

function queryOf({ parts }: Url): CelMap {
  const map = new CelMap();
  for (const part of parts.query.split('&')) {
    if (part === '' || part.includes(';')) continue;
    const equals = part.indexOf('=');
    const key = unescape((equals < 0 ? part : part.slice(0, equals)).replaceAll('+', ' '));
    const value = unescape((equals < 0 ? '' : part.slice(equals + 1)).replaceAll('+', ' '));
    if (key === undefined || value === undefined) continue;
    const known = map.entries.get(key);
    if (known) (known.value as string[]).push(value);
    else map.entries.set(key, { key, value: [value] });
  }
  return map;
}

const ofText: CallCost = ([text]) => traversal(sizeOf(text));

export const urlLibrary: Library = {
  types: [urlType],
  overloads: [
    overload('string_to_url', 'url(string) -> URL', urlOf, ofText),
    overload('url_get_scheme', 'URL.getScheme() -> string', ({ parts }: Url) => parts.scheme),
    overload('url_get_host', 'URL.getHost() -> string', ({ parts }: Url) => parts.host),
    overload('url_get_hostname', 'URL.getHostname() -> string', hostname),
    overload('url_get_port', 'URL.getPort() -> string', port),
    overload('url_get_escaped_path', 'URL.getEscapedPath() -> string', escapedPath),
    overload('url_get_query', 'URL.getQuery() -> map(string, list(string))', queryOf),
    overload('is_url_string', 'isURL(string) -> bool', (text: string) => uriProblem(text) === undefined),
  ],
};
