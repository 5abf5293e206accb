/** Which endpoints of a Service port get traffic. Pure. */
import type { Endpoint, EndpointSlice, Protocol, ServicePort } from '../objects.ts';

export interface Target {
  ip: string;
  port: number;
  /** On this node. */
  local: boolean;
}

export interface Targets {
  /** For traffic policy Cluster. */
  all: Target[];
  /** For traffic policy Local. */
  local: Target[];
}

interface Candidate extends Target {
  ready: boolean;
  serving: boolean;
}

/** This node; several where one machine carries more than one. */
export type Here = string | readonly string[];

/**
 * Ready endpoints; when there is none, those that terminate but still serve (KEP-1669), so that a rolling update of the last
 * pod fails no request. `local` decides this for this node's endpoints on their own.
 */
export function targetsOf(port: ServicePort, slices: readonly EndpointSlice[], here: Here): Targets {
  const candidates = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const number = portOf(slice, port);
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = candidateOf(endpoint, number, here);
      if (candidate === undefined) continue;
      const key = `${candidate.ip}:${number}`;
      const known = candidates.get(key);
      // An endpoint may be in two slices while it moves from one to the other: the better news counts.
      if (known === undefined || rank(candidate) > rank(known)) candidates.set(key, candidate);
    }
  }
  const sorted = [...candidates.values()].toSorted((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
  return { all: usable(sorted), local: usable(sorted.filter((candidate) => candidate.local)) };
}

function rank({ ready, serving }: Candidate): number {
  return ready ? 2 : serving ? 1 : 0;
}

function usable(candidates: Candidate[]): Target[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  const chosen = ready.length > 0 ? ready : candidates.filter((candidate) => candidate.serving);
  return chosen.map(({ ip, port, local }) => ({ ip, port, local }));
}

function portOf(slice: EndpointSlice, port: ServicePort): number | undefined {
  const protocol: Protocol = port.protocol ?? 'TCP';
  const found = slice.ports?.find(
    (each) => (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === protocol,
  );
  return found?.port ?? undefined;
}

/** Absent conditions mean: ready, and serving as it is ready. */
function candidateOf(endpoint: Endpoint, port: number, here: Here): Candidate | undefined {
  const ip = endpoint.addresses[0];
  if (ip === undefined) return undefined;
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  const isReady = ready !== false;
  const isServing = serving ?? isReady;
  return {
    ip,
    port,
    local: isHere(endpoint.nodeName, here),
    ready: isReady && terminating !== true,
    serving: isServing && terminating === true,
  };
}

function isHere(nodeName: string | null | undefined, here: Here): boolean {
  return typeof here === 'string' ? nodeName === here : here.includes(nodeName ?? '');
}
