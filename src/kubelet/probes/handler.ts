/** Runs what a probe or a lifecycle hook names, against one container. */
import type { Clock } from '../../machinery/index.ts';
import type { Container, LifecycleHandler, Probe } from '../kinds.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { probeExec } from './exec.ts';
import { probeGrpc } from './grpc.ts';
import { probeHttp } from './http.ts';
import type { Outcome } from './outcome.ts';
import { probeTcp } from './tcp.ts';

export interface Target {
  runtime: Runtime;
  clock: Clock;
  container: Container;
  containerId: string;
  /** The pod's address; the node's own with host networking. */
  host: string;
}

/** Rejects only when the handler itself cannot be understood. `timeout` in milliseconds. */
export async function runHandler(
  handler: Probe | LifecycleHandler,
  target: Target,
  timeout: number,
  outer?: AbortSignal,
): Promise<Outcome> {
  const limit = new AbortController();
  const timer = target.clock.after(timeout, () => limit.abort(new Error(`timed out after ${timeout} ms`)));
  const signal = outer ? AbortSignal.any([limit.signal, outer]) : limit.signal;
  try {
    return await dispatch(handler, target, signal);
  } finally {
    timer.cancel();
  }
}

async function dispatch(handler: Probe | LifecycleHandler, target: Target, signal: AbortSignal): Promise<Outcome> {
  const { exec, httpGet, tcpSocket } = handler;
  if (exec) return probeExec(target.runtime, target.containerId, exec.command ?? [], signal);
  // nobody listens at the address of a simulated pod, and it may be somebody's elsewhere
  if (target.runtime.name === 'sim' && !('sleep' in handler && handler.sleep)) return { ok: true, output: '' };
  if (httpGet) {
    return probeHttp(
      {
        scheme: httpGet.scheme === 'HTTPS' ? 'https' : 'http',
        host: httpGet.host || target.host,
        port: portOf(httpGet.port, target.container),
        path: httpGet.path ?? '/',
        headers: httpGet.httpHeaders ?? [],
      },
      signal,
    );
  }
  if (tcpSocket) return probeTcp(tcpSocket.host || target.host, portOf(tcpSocket.port, target.container), signal);
  if ('grpc' in handler && handler.grpc) {
    return probeGrpc(target.host, handler.grpc.port, handler.grpc.service ?? '', signal);
  }
  if ('sleep' in handler && handler.sleep) {
    await target.clock.sleep(handler.sleep.seconds * 1000, signal).catch(() => {});
    return { ok: true, output: '' };
  }
  throw new Error(`missing probe handler for ${target.container.name}`);
}

export function portOf(port: string | number, container: Container): number {
  if (typeof port === 'number') return port;
  if (/^[0-9]+$/.test(port)) return Number(port);
  const named = container.ports?.find(({ name }) => name === port);
  if (!named) throw new Error(`couldn't find port: "${port}" in container ${container.name}`);
  return named.containerPort;
}
