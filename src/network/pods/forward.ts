/** Host ports without privileges: this process listens on the host's own addresses and carries the bytes to the pod's. */
import { connect } from 'node:net';
import type { Log } from '../../client/index.ts';
import type { Clock } from '../../machinery/index.ts';
import type { Listener } from '../services/proxy.ts';
import { listenTcp } from '../services/tcp.ts';
import { listenUdp } from '../services/udp.ts';
import type { HostPort } from './podnetwork.ts';

export interface ForwardOptions {
  clock: Clock;
  log: Log;
  /** The host's addresses on which ports without a `hostIP` answer; another `hostIP` is refused unless it is on loopback. */
  addresses: readonly string[];
}

/** Milliseconds between looks whether a program listens at its pod's address. */
const look = 500;
const everywhere = new Set(['', '0.0.0.0']);

interface Place {
  ip: string;
  hostPort: HostPort;
}

/** The ports of one pod. */
export interface Forwarding {
  /** Takes no new callers, and ends those who are there. */
  close(): Promise<void>;
}

/** Rejects, naming the port and what to do, when one cannot be had; none is held then. */
export async function forward(
  podIP: string,
  hostPorts: readonly HostPort[],
  options: ForwardOptions,
): Promise<Forwarding> {
  const ended = new AbortController();
  const listeners: Listener[] = [];
  const close = async () => {
    ended.abort();
    await Promise.all(listeners.splice(0).map((listener) => listener.close(true)));
  };
  try {
    for (const place of hostPorts.flatMap((hostPort) => placesOf(hostPort, options.addresses))) {
      const listener = await listen(place, podIP, options.clock);
      if (!mayCollide(place.hostPort)) listeners.push(listener);
      else {
        await listener.close(true);
        void whenUp(place, podIP, options, ended.signal).then((late) => {
          if (late === undefined) return;
          if (ended.signal.aborted) void late.close(true);
          else listeners.push(late);
        });
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

/**
 * The pod shares the host's network: a program that listens on all addresses has the host's port itself then, and could not
 * start if we had it first.
 */
function mayCollide({ hostPort, containerPort, protocol }: HostPort): boolean {
  return hostPort === containerPort && protocol === 'TCP';
}

/** Listens once the program does; not at all where the program has the port itself. */
async function whenUp(
  place: Place,
  podIP: string,
  { clock, log }: ForwardOptions,
  signal: AbortSignal,
): Promise<Listener | undefined> {
  const { containerPort, hostPort } = place.hostPort;
  try {
    while (!(await answers(podIP, containerPort))) await clock.sleep(look, signal);
    return await listen(place, podIP, clock);
  } catch (error) {
    if (!signal.aborted) log.debug({ hostPort, ip: place.ip, err: error }, 'the program has its host port itself');
    return undefined;
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      // A polite end: a reset might surprise the program.
      socket.resume().end();
      socket.setTimeout(look, () => socket.destroy());
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function placesOf(hostPort: HostPort, addresses: readonly string[]): Place[] {
  const { hostIP, protocol } = hostPort;
  const name = nameOf(hostPort);
  if (protocol === 'SCTP')
    throw new Error(`${name}: SCTP is not carried without privileges; use TCP or UDP, or the runtime "oci"`);
  if (everywhere.has(hostIP)) return addresses.map((ip) => ({ ip, hostPort }));
  if (!addresses.includes(hostIP) && !/^127(\.\d{1,3}){3}$/.test(hostIP)) {
    throw new Error(
      `${name}: hostIP "${hostIP}" is not published on; leave it out, or use one of ${addresses.join(', ')}`,
    );
  }
  return [{ ip: hostIP, hostPort }];
}

async function listen({ ip, hostPort }: Place, podIP: string, clock: Clock): Promise<Listener> {
  const { containerPort, protocol } = hostPort;
  const backends = { targets: [{ ip: podIP, port: containerPort, local: true }], affinity: undefined };
  try {
    return await (protocol === 'UDP' ? listenUdp : listenTcp)(clock, ip, hostPort.hostPort, backends);
  } catch (error) {
    throw new Error(`${nameOf(hostPort)}: ${adviceFor(error as NodeJS.ErrnoException, ip)}`, { cause: error });
  }
}

function nameOf({ hostPort, protocol }: HostPort): string {
  return `hostPort ${hostPort}/${protocol}`;
}

function adviceFor({ code, message }: NodeJS.ErrnoException, ip: string): string {
  if (code === 'EADDRINUSE') return `another program of this machine listens at ${ip}; use another port`;
  if (code === 'EACCES')
    return 'this user may not listen on ports below 1024; use a higher one, or allow it with sysctl net.ipv4.ip_unprivileged_port_start=0';
  if (code === 'EADDRNOTAVAIL') return `this machine has no address ${ip}; leave out hostIP`;
  return message;
}
