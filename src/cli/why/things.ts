/** What a timeline is about: the object that was named, those that it comes from, and those that come from it. */
import type { HttpsClient } from '../../client/index.ts';
import { type AnyObject, StatusError } from '../../machinery/index.ts';
import { readJson } from './ask.ts';
import { kindOf, type ServedKind } from './kinds.ts';

export interface Thing {
  readonly kind: ServedKind;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string;
  /** How it is called in the timeline: `pod/web-1`. */
  readonly title: string;
  /** Its present state; undefined: it is gone. */
  readonly object: AnyObject | undefined;
}

export interface Related {
  readonly things: Thing[];
  /** Pods that are left out. */
  readonly more: number;
}

const listedAtOnce = 8;
const pageSize = 2000;
/** Of ancestors: owners that own each other would never end. */
const depthLimit = 10;

export function thingOf(kind: ServedKind, object: AnyObject): Thing {
  const { namespace, name = '', uid = '' } = object.metadata;
  return { kind, namespace, name, uid, title: titleOf(kind, name), object };
}

export function titleOf(kind: ServedKind, name: string): string {
  return `${kind.singular.toLowerCase()}/${name}`;
}

export async function relatedTo(
  client: HttpsClient,
  kinds: readonly ServedKind[],
  root: Thing,
  podLimit: number,
): Promise<Related> {
  if (root.object === undefined) return { things: [root], more: 0 };
  const above = await ownersOf(client, kinds, root.object);
  const below = root.namespace === undefined ? [] : await offspring(client, kinds, root, root.namespace);
  const chosen = [...above.toReversed(), root, ...below];
  const known = new Set(chosen.map((one) => one.uid));
  for (const one of await selectedBy(client, kinds, root)) if (!known.has(one.uid)) chosen.push(one);
  const pods = chosen.filter(isPod).filter((one) => one !== root);
  const shown = new Set(pods.toSorted((a, b) => rank(a) - rank(b)).slice(0, podLimit));
  return {
    things: chosen.filter((one) => one === root || !isPod(one) || shown.has(one)),
    more: pods.length - shown.size,
  };
}

export function isPod({ kind }: Thing): boolean {
  return kind.resource === 'pods' && kind.group === '';
}

/** Those that are in trouble first, then the newest. */
function rank({ object }: Thing): number {
  const ready = object?.status?.conditions?.some((one: any) => one.type === 'Ready' && one.status === 'True');
  const fine = ready || object?.status?.phase === 'Succeeded';
  return (fine ? 1 : 0) * 1e15 - Date.parse(object?.metadata.creationTimestamp ?? '') || 0;
}

async function ownersOf(client: HttpsClient, kinds: readonly ServedKind[], object: AnyObject): Promise<Thing[]> {
  const owners: Thing[] = [];
  for (let at = object; owners.length < depthLimit; ) {
    const references = at.metadata.ownerReferences ?? [];
    const reference = references.find(({ controller }) => controller) ?? references[0];
    const kind = reference && kindOf(kinds, reference.apiVersion, reference.kind);
    if (kind === undefined) break;
    const owner = await getOrNone(client, kind, at.metadata.namespace, reference!.name);
    if (owner === undefined || owner.metadata.uid !== reference!.uid) break;
    owners.push(thingOf(kind, owner));
    at = owner;
  }
  return owners;
}

export async function getOrNone(
  client: HttpsClient,
  kind: ServedKind,
  namespace: string | undefined,
  name: string,
): Promise<AnyObject | undefined> {
  try {
    return await client.get(kind, { name, ...(kind.namespaced && namespace && { namespace }) });
  } catch (error) {
    if (error instanceof StatusError && error.code === 404) return undefined;
    throw error;
  }
}

/** Everything in the namespace that the root owns, and what that owns, nearest first. */
async function offspring(
  client: HttpsClient,
  kinds: readonly ServedKind[],
  root: Thing,
  namespace: string,
): Promise<Thing[]> {
  const listed = kinds.filter(
    ({ namespaced, verbs, resource }) => namespaced && verbs.includes('list') && resource !== 'events',
  );
  const children = new Map<string, { kind: ServedKind; name: string; uid: string }[]>();
  const waiting = [...listed];
  const work = async () => {
    for (let kind = waiting.pop(); kind !== undefined; kind = waiting.pop())
      for (const { metadata } of await metadataOf(client, kind, namespace))
        for (const { uid } of metadata.ownerReferences ?? []) {
          const siblings = children.get(uid) ?? [];
          children.set(uid, siblings);
          siblings.push({ kind, name: metadata.name ?? '', uid: metadata.uid ?? '' });
        }
  };
  await Promise.all(Array.from({ length: listedAtOnce }, work));
  const found = new Map<string, { kind: ServedKind; name: string }>();
  const queue = [root.uid];
  for (let uid = queue.shift(); uid !== undefined; uid = queue.shift())
    for (const child of children.get(uid) ?? [])
      if (!found.has(child.uid)) {
        found.set(child.uid, child);
        queue.push(child.uid);
      }
  const things: Thing[] = [];
  const wanted = [...found.values()];
  for (let i = 0; i < wanted.length; i += listedAtOnce) {
    const slice = wanted.slice(i, i + listedAtOnce);
    const objects = await Promise.all(slice.map(({ kind, name }) => getOrNone(client, kind, namespace, name)));
    objects.forEach((object, j) => object && things.push(thingOf(slice[j]!.kind, object)));
  }
  return things;
}

const partial = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

async function metadataOf(client: HttpsClient, kind: ServedKind, namespace: string): Promise<AnyObject[]> {
  const { group, version, resource } = kind;
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const items: AnyObject[] = [];
  let next = '';
  do {
    const query = new URLSearchParams({ limit: String(pageSize), ...(next && { continue: next }) });
    try {
      const path = `${base}/namespaces/${encodeURIComponent(namespace)}/${resource}?${query}`;
      const page = await readJson(client, path, { accept: partial });
      items.push(...(page.items ?? []));
      next = page.metadata?.continue ?? '';
    } catch (error) {
      // what may not be listed, or is not there after all, is not shown
      if (error instanceof StatusError) return items;
      throw error;
    }
  } while (next !== '');
  return items;
}

/** The pods behind a Service; what a HorizontalPodAutoscaler scales. */
async function selectedBy(client: HttpsClient, kinds: readonly ServedKind[], root: Thing): Promise<Thing[]> {
  const { spec } = root.object!;
  const { kind, group } = root.kind;
  if (kind === 'Service' && group === '' && spec?.selector) {
    const pods = kindOf(kinds, 'v1', 'Pod')!;
    const labelSelector = Object.entries(spec.selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const { items } = await client.list(pods, { namespace: root.namespace!, labelSelector, limit: pageSize });
    return items.map((pod) => thingOf(pods, pod));
  }
  const target = kind === 'HorizontalPodAutoscaler' ? spec?.scaleTargetRef : undefined;
  const targetKind = target && kindOf(kinds, target.apiVersion ?? '', target.kind ?? '');
  const object = targetKind && (await getOrNone(client, targetKind, root.namespace, target.name));
  return object ? [thingOf(targetKind, object)] : [];
}
