/** Files that the server is given: how they are read, and what is told when they cannot be. */
import { readFileSync } from 'node:fs';
import type { Remote } from '../apiserver/index.ts';
import { Failure } from '../cli/index.ts';
import { loadKubeconfig, type Log } from '../client/index.ts';
import type { Clock, MetricSet, Random } from '../machinery/index.ts';

/** What goes on around what is read. */
export interface Around {
  clock: Clock;
  random: Random;
  log: Log;
  metrics: MetricSet;
}

export function textOf(file: string): string {
  return readFileSync(file, 'utf8');
}

/** What fails is told with the file's name. */
export async function within<T>(file: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new Failure(`${file}: ${(error as Error).message}`, error);
  }
}

/** Whom a kubeconfig leads to. */
export function remoteOf(kubeconfig: string): Remote {
  const { server, ca, cert, key, token } = loadKubeconfig(kubeconfig);
  return {
    url: server,
    ...(token !== undefined && { token }),
    ...(ca !== undefined && { ca: ca.toString() }),
    ...(cert !== undefined && { certificate: cert.toString() }),
    ...(key !== undefined && { key: key.toString() }),
  };
}
