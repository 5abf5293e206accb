/**
 * Services as entries of a few nftables maps. Every packet costs a constant number of look-ups, however many Services there
 * are, and a change is a change of elements. Pure.
 *
 * A new connection's destination finds a verdict in `services` (or `node-ports`): go to `pick-N`, which draws one of N,
 * writes the draw into the packet's mark, and finds the endpoint by destination and mark in `endpoints`. A chain for each
 * Service would cost seconds to load for some thousands of them; only session affinity and source ranges have chains of their own.
 */
import { createHash } from 'node:crypto';
import type { EndpointSlice, Service } from '../objects.ts';
import { serviceKeyOf } from '../objects.ts';
import { keyOf } from '../../machinery/index.ts';
import type { Here, Target } from './endpoints.ts';
import { type Frontend, frontendsOf } from './frontends.ts';

/** Marks: the top byte says that it is ours; then how; then which endpoint was drawn. */
export const markOurs = 0x67000000;
export const markMask = 0xff000000;
export const markMasquerade = 0x00800000;
const markInsider = 0x00400000;
/** More endpoints than this for one port are left out of the draw. */
const maxTargets = 0x10000;

export type MapName =
  | 'services'
  | 'insiders'
  | 'node-ports'
  | 'node-insiders'
  | 'endpoints'
  | 'node-endpoints'
  | 'refused'
  | 'node-refused';

/** What the table holds: elements by map (value '' for sets), and chains by name. */
export interface Ruleset {
  elements: Map<string, string>;
  chains: Map<string, Chain>;
}

export interface Chain {
  /** Sets of callers, with how long they stay, in seconds; made before the rules, kept while they are named. */
  sets: Map<string, number>;
  rules: string[];
}

/** An element's name is its map and its key. */
export const elementId = (map: MapName | 'hairpin', key: string): string => `${map}|${key}`;

/** How a chain that draws one of `count` is called. */
export const pickName = (count: number, node: boolean, flags: number): string =>
  `pick-${count}${node ? '-node' : ''}${flags & markMasquerade ? '-masquerade' : ''}${flags & markInsider ? '-insider' : ''}`;

export function rulesFor(services: readonly Service[], slices: readonly EndpointSlice[], here: Here): Ruleset {
  const all = emptyRuleset();
  for (const service of services) {
    const key = keyOf(service);
    const own = rulesOf(
      service,
      slices.filter((slice) => serviceKeyOf(slice) === key),
      here,
    );
    for (const [id, value] of own.elements) if (!all.elements.has(id)) all.elements.set(id, value);
    for (const [name, chain] of own.chains) all.chains.set(name, chain);
  }
  return all;
}

export function emptyRuleset(): Ruleset {
  return { elements: new Map(), chains: new Map() };
}

/** The part of one Service. */
export function rulesOf(service: Service, slices: readonly EndpointSlice[], here: Here): Ruleset {
  const rules = emptyRuleset();
  for (const frontend of frontendsOf(service, slices, here)) addFrontend(rules, keyOf(service), frontend);
  return rules;
}

function addFrontend(rules: Ruleset, owner: string, frontend: Frontend): void {
  const node = frontend.ip === undefined;
  const key = `${node ? '' : `${frontend.ip} . `}${frontend.protocol.toLowerCase()} . ${frontend.port}`;
  const flags = frontend.masquerade ? markMasquerade : 0;
  if (frontend.targets.length > 0) {
    const verdict = addTargets(rules, owner, frontend, key, frontend.targets, flags);
    rules.elements.set(elementId(node ? 'node-ports' : 'services', key), guarded(rules, owner, frontend, key, verdict));
  } else {
    rules.elements.set(elementId(node ? 'node-refused' : 'refused', key), frontend.silent ? 'drop' : 'goto refuse');
  }
  if (frontend.insiders !== undefined && frontend.insiders.length > 0) {
    const verdict = addTargets(rules, owner, frontend, key, frontend.insiders, markInsider | markMasquerade);
    rules.elements.set(elementId(node ? 'node-insiders' : 'insiders', key), verdict);
  }
}

/** Returns the verdict that leads to them. */
function addTargets(
  rules: Ruleset,
  owner: string,
  frontend: Frontend,
  key: string,
  targets: Target[],
  flags: number,
): string {
  const node = frontend.ip === undefined;
  for (const { ip, local } of targets) if (local) rules.elements.set(elementId('hairpin', `${ip} . ${ip}`), '');
  if (frontend.affinity !== undefined) {
    return `goto ${addSticky(rules, `${owner} ${key} ${flags}`, frontend, targets, flags)}`;
  }
  const drawn = targets.slice(0, maxTargets);
  for (const [index, target] of drawn.entries()) {
    const mark = `0x${(markOurs + flags + index).toString(16)}`;
    rules.elements.set(
      elementId(node ? 'node-endpoints' : 'endpoints', `${key} . ${mark}`),
      `${target.ip} . ${target.port}`,
    );
  }
  return `goto ${pickName(drawn.length, node, flags)}`;
}

/** A chain for each endpoint, with the set of the callers that stay with it. */
function addSticky(rules: Ruleset, id: string, frontend: Frontend, targets: Target[], flags: number): string {
  const name = `sticky-${hash(id)}`;
  const names = targets.map((target) => `${name}-${hash(`${target.ip}:${target.port}`)}`);
  for (const [index, target] of targets.entries()) {
    const own = names[index] as string;
    rules.chains.set(own, {
      sets: new Map([[own, frontend.affinity as number]]),
      rules: [
        `update @${own} { ip saddr timeout ${frontend.affinity}s }`,
        `meta mark set 0x${(markOurs + flags).toString(16)}`,
        `meta l4proto ${frontend.protocol.toLowerCase()} dnat ip to ${target.ip}:${target.port}`,
      ],
    });
  }
  const draw = names.map((own, index) => `${index} : goto ${own}`).join(', ');
  rules.chains.set(name, {
    sets: new Map(),
    rules: [
      ...names.map((own) => `ip saddr @${own} goto ${own}`),
      `numgen random mod ${names.length} vmap { ${draw} }`,
    ],
  });
  return name;
}

function guarded(rules: Ruleset, owner: string, frontend: Frontend, key: string, verdict: string): string {
  const ranges = frontend.sources?.filter((range) => /^\d+(\.\d+){3}(\/\d+)?$/.test(range.trim()));
  if (ranges === undefined) return verdict;
  const name = `guard-${hash(`${owner} ${key}`)}`;
  const fence = ranges.length === 0 ? 'drop' : `ip saddr != { ${ranges.map((range) => range.trim()).join(', ')} } drop`;
  rules.chains.set(name, { sets: new Map(), rules: [fence, verdict] });
  return `goto ${name}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
