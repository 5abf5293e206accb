/** Whether a TCP port takes a connection. */
import { connect } from 'node:net';
import type { Outcome } from './outcome.ts';

export function probeTcp(host: string, port: number, signal: AbortSignal): Promise<Outcome> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (outcome: Outcome) => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      resolve(outcome);
    };
    const stop = () => finish({ ok: false, output: `dial tcp ${address}: i/o timeout` });
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) return stop();
    socket.on('connect', () => finish({ ok: true, output: '' }));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish({
        ok: false,
        output: `dial tcp ${address}: connect: ${error.code === 'ECONNREFUSED' ? 'connection refused' : error.message}`,
      }),
    );
  });
}
