/**
 * Every state that an object was in, as far back as the server remembers: a watch from the oldest revision that it has. When each came about is
 * asked of the server, too; one that is not Glasshouse does not know, and then the whole seconds in the objects themselves must do.
 */
import type { HttpsClient } from '../../client/index.ts';
import { type AnyObject, StatusError } from '../../machinery/index.ts';
import { readJson } from './ask.ts';
import type { Thing } from './things.ts';

export interface Version {
  readonly revision: number;
  readonly object: AnyObject;
  readonly deleted: boolean;
}

export interface History {
  /** Oldest first; the last is the present. */
  readonly versions: readonly Version[];
  /** The first is how the object was created, not just the oldest state that is remembered. */
  readonly whole: boolean;
}

const patience = 5;
/** Of an object that is gone nobody knows which state was its last. */
const patienceForGone = 1;

export async function historyOf(
  client: HttpsClient,
  thing: Pick<Thing, 'kind' | 'namespace' | 'name' | 'object'>,
): Promise<History> {
  const present = thing.object && { revision: revisionOf(thing.object), object: thing.object, deleted: false };
  const remembered = thing.kind.verbs.includes('watch') ? await fromOldest(client, thing, present?.revision) : [];
  const versions = remembered.filter(
    ({ object }) => present === undefined || object.metadata.uid === present.object.metadata.uid,
  );
  const last = versions.at(-1);
  if (present !== undefined && (last === undefined || last.revision < present.revision)) versions.push(present);
  const first = versions[0];
  return { versions, whole: first !== undefined && first.first === true };
}

interface Remembered extends Version {
  /** It was created so. */
  readonly first?: boolean;
}

async function fromOldest(
  client: HttpsClient,
  thing: Pick<Thing, 'kind' | 'namespace' | 'name'>,
  until: number | undefined,
): Promise<Remembered[]> {
  try {
    return await watched(client, thing, 1, until);
  } catch (error) {
    // "too old resource version: 1 (4711)": the number in brackets is the oldest that can be asked for
    const oldest = error instanceof StatusError ? Number(/\((\d+)\)/.exec(error.message)?.[1]) : Number.NaN;
    if (!(oldest > 0)) {
      if (error instanceof StatusError) return [];
      throw error;
    }
    if (until !== undefined && until <= oldest) return [];
    // it may have moved on meanwhile
    return watched(client, thing, oldest + 1, until).catch(() => []);
  }
}

async function watched(
  client: HttpsClient,
  { kind, namespace, name }: Pick<Thing, 'kind' | 'namespace' | 'name'>,
  from: number,
  until: number | undefined,
): Promise<Remembered[]> {
  const versions: Remembered[] = [];
  const enough = new AbortController();
  const events = client.watch(kind, {
    ...(namespace !== undefined && { namespace }),
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: String(from),
    timeoutSeconds: until === undefined ? patienceForGone : patience,
    signal: enough.signal,
  });
  for await (const { type, object } of events) {
    if (type === 'BOOKMARK') continue;
    const revision = revisionOf(object);
    versions.push({ revision, object, deleted: type === 'DELETED', ...(type === 'ADDED' && { first: true }) });
    if (until !== undefined && revision >= until) enough.abort();
  }
  return versions;
}

export function revisionOf(object: AnyObject): number {
  return Number(object.metadata.resourceVersion);
}

const askedAtOnce = 500;

/** Milliseconds since the epoch by revision, for those that the server remembers. */
export async function timesOf(client: HttpsClient, revisions: readonly number[]): Promise<Map<number, number>> {
  const times = new Map<number, number>();
  for (let i = 0; i < revisions.length; i += askedAtOnce) {
    const asked = revisions.slice(i, i + askedAtOnce);
    const query = asked.map((revision) => `revision=${revision}`).join('&');
    try {
      const answer = await readJson(client, `/debug/revisions?${query}`);
      for (const [revision, time] of Object.entries(answer.times ?? {}))
        times.set(Number(revision), Date.parse(String(time)));
    } catch (error) {
      if (error instanceof StatusError || error instanceof SyntaxError) return times;
      throw error;
    }
  }
  return times;
}
