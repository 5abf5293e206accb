/** get and list. */
import { StatusError } from '../../machinery/index.ts';
import { CompactedError, FutureRevisionError } from '../../store/index.ts';
import { CacheEntry, endOf, type ResourceCache } from '../cache/index.ts';
import { keyFor } from '../resources.ts';
import { entriesAs, entryAs } from './convert.ts';
import type { Answer, Registry, ResourceCall } from './context.ts';
import { type Selection, selectionOf } from './selection.ts';

export async function get(registry: Registry, call: ResourceCall): Promise<Answer> {
  const asked = call.options.resourceVersion;
  if (asked !== undefined && asked !== '' && asked !== '0') notAhead(registry, revisionOf(asked));
  return { code: 200, entry: await entryOf(registry, call) };
}

export async function entryOf(
  registry: Registry,
  call: Pick<ResourceCall, 'served' | 'namespace' | 'name'>,
): Promise<CacheEntry> {
  const cache = await registry.resources.cache(call.served);
  const entry = cache.entries.get(keyFor(call.served, call.namespace, call.name));
  if (entry === undefined) throw StatusError.notFound(call.served.kind, call.name);
  return entryAs(call.served, entry);
}

/** A list before it is written down: entries in order, at a revision. */
export interface ListAnswer {
  entries: CacheEntry[];
  revision: number;
  continue?: string;
  remaining?: number;
}

export async function list(registry: Registry, call: ResourceCall): Promise<ListAnswer> {
  const { options } = call;
  checkMatch(options.resourceVersion, options.resourceVersionMatch, options.continue);
  const cache = await registry.resources.cache(call.served);
  const prefix =
    call.served.kind.namespaced && call.namespace !== ''
      ? `${call.served.prefix}${call.namespace}/`
      : call.served.prefix;
  const selection = selectionOf(call);
  const limit = options.limit !== undefined && options.limit > 0 ? options.limit : Infinity;

  let start = prefix;
  let revision = 0;
  if (options.continue) {
    const token = parseContinue(options.continue, prefix);
    start = token.start;
    // a token whose revision is gone continues over the present
    revision = token.revision;
  } else if (options.resourceVersion && options.resourceVersion !== '0') {
    const asked = revisionOf(options.resourceVersion);
    notAhead(registry, asked);
    // a first page at a revision is of that revision, as it was before there was a match to say so
    if (options.resourceVersionMatch === 'Exact' || (!options.resourceVersionMatch && limit !== Infinity))
      revision = asked;
  }

  const at = registry.caches.revision;
  // what is compacted is gone for all, also where nothing has changed since: whoever counts on it learns so by the clock, not by chance
  const changed =
    revision > 0 && revision < at && (revision < registry.store.compactedRevision || changedSince(cache, revision));
  const source = changed
    ? await entriesAt(registry, start, endOf(prefix), revision, options.continue)
    : cache.entries.range(start, endOf(prefix));
  const read = revision > 0 ? revision : at;
  if (call.served.view === undefined) return page(source, selection, limit, prefix, read);
  if (selection.everything) {
    const answer = page(source, selection, limit, prefix, read);
    return { ...answer, entries: await entriesAs(call.served, answer.entries) };
  }
  // a selector may look at what conversion makes of the objects
  return page(await entriesAs(call.served, [...source]), selection, limit, prefix, read);
}

function page(
  source: Iterable<CacheEntry>,
  selection: Selection,
  limit: number,
  prefix: string,
  revision: number,
): ListAnswer {
  const entries: CacheEntry[] = [];
  let remaining = 0;
  let more = false;
  let last = '';
  for (const entry of source) {
    if (entries.length >= limit) {
      if (selection.everything) {
        remaining++;
        more = true;
        continue;
      }
      if (!selection.matches(entry)) continue;
      more = true;
      break;
    }
    if (selection.everything || selection.matches(entry)) {
      entries.push(entry);
      last = entry.key;
    }
  }
  if (!more) return { entries, revision };
  const token = formatContinue(revision, last.slice(prefix.length));
  return { entries, revision, continue: token, ...(selection.everything && { remaining }) };
}

function changedSince(cache: ResourceCache, revision: number): boolean {
  try {
    return cache.since(revision).length > 0;
  } catch {
    return true;
  }
}

async function entriesAt(
  registry: Registry,
  start: string,
  end: string,
  revision: number,
  continued: string | undefined,
): Promise<CacheEntry[]> {
  try {
    const { entries } = await registry.store.range({ start, end, revision });
    return entries.map((entry) => new CacheEntry(entry.key, entry.modRevision, entry.value, undefined));
  } catch (error) {
    if (error instanceof CompactedError) {
      if (continued === undefined) throw StatusError.expired(`The resourceVersion for the provided list is too old.`);
      throw StatusError.expired(
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
        formatContinue(-1, parsedStart(continued)),
      );
    }
    if (error instanceof FutureRevisionError) throw tooLarge(revision);
    throw error;
  }
}

interface ContinueToken {
  v: 'meta.k8s.io/v1';
  rv: number;
  start: string;
}

function formatContinue(revision: number, last: string): string {
  const token: ContinueToken = { v: 'meta.k8s.io/v1', rv: revision, start: `${last}\u0000` };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function parsedStart(token: string): string {
  const { start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as ContinueToken;
  return start.slice(0, -1);
}

function parseContinue(text: string, prefix: string): { revision: number; start: string } {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as ContinueToken;
    if (token.v !== 'meta.k8s.io/v1' || typeof token.start !== 'string' || !Number.isSafeInteger(token.rv))
      throw new Error();
    if (token.start.split('/').includes('..')) throw new Error();
    return { revision: Math.max(token.rv, 0), start: prefix + token.start };
  } catch {
    throw StatusError.badRequest(
      'continue key is not valid: the token was not made by this server; list again without it',
    );
  }
}

function checkMatch(version: string | undefined, match: string | undefined, continued: string | undefined): void {
  if (continued) {
    if (match) throw StatusError.badRequest('resourceVersionMatch is forbidden with continue');
    if (version && version !== '0')
      throw StatusError.badRequest('specifying resource version is not allowed when using continue');
  }
  if (!match) return;
  if (match !== 'Exact' && match !== 'NotOlderThan')
    throw StatusError.badRequest(
      `resourceVersionMatch: ${JSON.stringify(match)} is not supported: use "Exact" or "NotOlderThan"`,
    );
  if (!version) throw StatusError.badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (match === 'Exact' && version === '0')
    throw StatusError.badRequest('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
}

/** Reads a resourceVersion that a client sent. */
export function revisionOf(text: string): number {
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision))
    throw StatusError.badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: it must be one that this server gave`,
    );
  return revision;
}

function notAhead(registry: Registry, revision: number): void {
  if (revision > registry.caches.revision) throw tooLarge(revision, registry.caches.revision);
}

function tooLarge(asked: number, current?: number): StatusError {
  return new StatusError(
    'Timeout',
    `Too large resource version: ${asked}${current === undefined ? '' : `, current: ${current}`}`,
    { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
  );
}
