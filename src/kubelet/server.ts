import type { Context, ServerOptions } from './options.ts';
import type { PodWorker } from './podworker.ts';

export interface KubeletServer {
  port: number;
  stop(): Promise<void>;
}

export async function startServer(
  _context: Context,
  _options: ServerOptions,
  _lookup: (key: { namespace: string; name: string; uid?: string }) => PodWorker | undefined,
  _all: () => PodWorker[],
): Promise<KubeletServer> {
  throw new Error('not here yet');
}
