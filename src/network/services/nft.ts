/** Rulesets as nftables transactions: the whole table, or the way from one to the next. Pure. */
import { markMask, markMasquerade, markOurs, type Chain, type Ruleset } from './rules.ts';

export interface TableOptions {
  clusterCIDR: string;
  serviceCIDR: string;
  /** Addresses and ranges of this node on which node ports answer. */
  nodePortAddresses: string[];
}

export const serviceTable = 'glasshouse';

const hex = (mark: number): string => `0x${(mark >>> 0).toString(16)}`;
const endpoint = 'ipv4_addr . inet_service';
const address = 'ipv4_addr . inet_proto . inet_service';
const nodePort = 'inet_proto . inet_service';
const here = 'ip daddr . meta l4proto . th dport';
const hereOnNode = 'meta l4proto . th dport';

/** One transaction that makes the table anew, with nothing in it. */
export function tableText(options: TableOptions): string {
  const { clusterCIDR, serviceCIDR } = options;
  return `${removalText()}table inet ${serviceTable} {
map services { type ${address} : verdict; }
map insiders { type ${address} : verdict; }
map node-ports { type ${nodePort} : verdict; }
map node-insiders { type ${nodePort} : verdict; }
map endpoints { type ${address} . mark : ${endpoint}; }
map node-endpoints { type ${nodePort} . mark : ${endpoint}; }
map refused { type ${address} : verdict; }
map node-refused { type ${nodePort} : verdict; }
set hairpin { type ipv4_addr . ipv4_addr; }
set node-addresses { type ipv4_addr; flags interval; auto-merge; elements = { ${options.nodePortAddresses.join(', ')} }; }
chain insider {
${here} vmap @insiders
ip daddr @node-addresses fib daddr type local ${hereOnNode} vmap @node-insiders
}
chain dispatch {
${here} vmap @services
ip daddr @node-addresses fib daddr type local ${hereOnNode} vmap @node-ports
}
chain nat-prerouting {
type nat hook prerouting priority -100; policy accept;
ip saddr ${clusterCIDR} jump insider
jump dispatch
}
chain nat-output {
type nat hook output priority -100; policy accept;
jump insider
jump dispatch
}
chain nat-postrouting {
type nat hook postrouting priority 100; policy accept;
ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random
meta mark & ${hex(markMask | markMasquerade)} == ${hex(markOurs | markMasquerade)} meta mark set 0x0 masquerade fully-random
meta mark & ${hex(markMask)} == ${hex(markOurs)} meta mark set 0x0
ct status dnat ip saddr 127.0.0.0/8 ip daddr != 127.0.0.0/8 masquerade fully-random
}
chain refuse {
meta l4proto tcp reject with tcp reset
reject with icmp type port-unreachable
}
chain no-endpoints {
${here} vmap @refused
ip daddr @node-addresses fib daddr type local ${hereOnNode} vmap @node-refused
ip daddr ${serviceCIDR} goto refuse
}
chain filter-input {
type filter hook input priority -10; policy accept;
ct state new jump no-endpoints
}
chain filter-forward {
type filter hook forward priority -20; policy accept;
ct state new jump no-endpoints
}
chain filter-output {
type filter hook output priority -10; policy accept;
ct state new jump no-endpoints
}
}
`;
}

export function removalText(): string {
  return `add table inet ${serviceTable}\ndelete table inet ${serviceTable}\n`;
}

/** What has to change, and the `pick-N` chains that exist already; those are shared and stay. */
export interface Change {
  from: Ruleset;
  to: Ruleset;
  picks: Set<string>;
}

/** The transaction from one ruleset to the next; '' when they are the same. Adds what it makes to `picks`. */
export function changeText({ from, to, picks }: Change): string {
  const gone: string[] = [];
  const made: string[] = [];
  for (const [id, value] of from.elements) if (to.elements.get(id) !== value) gone.push(elementText('delete', id, ''));
  for (const [id, value] of to.elements) if (from.elements.get(id) !== value) made.push(elementText('add', id, value));
  return lines([...gone, ...newPicks(to, picks), ...chainText(from, to), ...made, ...chainRemovals(from, to)]);
}

function newPicks(to: Ruleset, picks: Set<string>): string[] {
  const verdicts = [...to.elements.values(), ...[...to.chains.values()].flatMap((chain) => chain.rules)];
  return verdicts.flatMap((verdict) =>
    verdict.startsWith('goto pick-') ? pickText(verdict.slice('goto '.length), picks) : [],
  );
}

function chainText(from: Ruleset, to: Ruleset): string[] {
  const empty: string[] = [];
  const filled: string[] = [];
  for (const [name, chain] of to.chains) {
    const old = from.chains.get(name);
    if (old !== undefined && old.rules.join('\n') === chain.rules.join('\n')) continue;
    for (const set of setsOf(chain)) if (!old?.sets.has(set.name)) empty.push(set.text);
    empty.push(`add chain inet ${serviceTable} ${name}`, `flush chain inet ${serviceTable} ${name}`);
    for (const rule of chain.rules) filled.push(`add rule inet ${serviceTable} ${name} ${rule}`);
  }
  return [...empty, ...filled];
}

function setsOf(chain: Chain): { name: string; text: string }[] {
  return [...chain.sets].map(([name, seconds]) => ({
    name,
    text: `add set inet ${serviceTable} ${name} { type ipv4_addr; size 65536; flags dynamic,timeout; timeout ${seconds}s; }`,
  }));
}

/** A chain can go once nothing leads to it: first all are emptied, then deleted, then their sets. */
function chainRemovals(from: Ruleset, to: Ruleset): string[] {
  const gone = [...from.chains].filter(([name]) => !to.chains.has(name));
  return [
    ...gone.map(([name]) => `flush chain inet ${serviceTable} ${name}`),
    ...gone.map(([name]) => `delete chain inet ${serviceTable} ${name}`),
    ...gone.flatMap(([, chain]) => [...chain.sets.keys()].map((set) => `delete set inet ${serviceTable} ${set}`)),
  ];
}

function pickText(name: string, picks: Set<string>): string[] {
  if (picks.has(name)) return [];
  picks.add(name);
  const [, count = '', node, masquerade, insider] = /^pick-(\d+)(-node)?(-masquerade)?(-insider)?$/.exec(name) ?? [];
  const base = hex(markOurs + (masquerade ? markMasquerade : 0) + (insider ? 0x00400000 : 0));
  const draw = count === '1' ? base : `numgen random mod ${count} offset ${base}`;
  const map = node ? `${hereOnNode} . meta mark map @node-endpoints` : `${here} . meta mark map @endpoints`;
  return [
    `add chain inet ${serviceTable} ${name}`,
    `add rule inet ${serviceTable} ${name} meta mark set ${draw}`,
    `add rule inet ${serviceTable} ${name} dnat ip addr . port to ${map}`,
  ];
}

function elementText(verb: 'add' | 'delete', id: string, value: string): string {
  const bar = id.indexOf('|');
  return `${verb} element inet ${serviceTable} ${id.slice(0, bar)} { ${id.slice(bar + 1)}${value === '' ? '' : ` : ${value}`} }`;
}

function lines(all: string[]): string {
  return all.length === 0 ? '' : `${all.join('\n')}\n`;
}
