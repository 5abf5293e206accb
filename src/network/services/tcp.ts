/** TCP for the userspace data plane: bytes both ways with back-pressure, each direction closed on its own. */
import { connect, createServer, type Socket } from 'node:net';
import type { Clock } from '../../machinery/index.ts';
import { type Backends, Chooser, type Listener } from './proxy.ts';
import type { Target } from './endpoints.ts';

/** Rejects with the system's error when it cannot listen there. */
export function listenTcp(clock: Clock, ip: string, port: number, backends: Backends): Promise<Listener> {
  const chooser = new Chooser(clock, backends);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (caller) => {
    track(open, caller);
    const from = caller.remoteAddress ?? '';
    void reach(caller, chooser.order(from), open).then((found) => {
      if (found === undefined) return caller.resetAndDestroy();
      chooser.chose(from, found.target);
      join(caller, found.socket);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: ip, port, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve({
        port,
        update: (next) => chooser.update(next),
        close: (now) =>
          new Promise((done) => {
            if (now) for (const socket of open) socket.destroy();
            server.close(() => {});
            done();
          }),
      });
    });
  });
}

function track(open: Set<Socket>, socket: Socket): void {
  open.add(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => open.delete(socket));
}

/** The first that takes the connection. */
async function reach(
  caller: Socket,
  targets: Target[],
  open: Set<Socket>,
): Promise<{ socket: Socket; target: Target } | undefined> {
  for (const target of targets) {
    if (caller.destroyed) return undefined;
    const socket = connect({ host: target.ip, port: target.port, allowHalfOpen: true, noDelay: true });
    track(open, socket);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('close', () => resolve(false));
      caller.once('close', () => resolve(false));
    });
    if (connected && !caller.destroyed) return { socket, target };
    socket.destroy();
  }
  return undefined;
}

function join(a: Socket, b: Socket): void {
  const both = [
    [a, b],
    [b, a],
  ] as const;
  for (const [from, to] of both) {
    from.pipe(to);
    // Gone without a goodbye: the other side must not take it for the end of the message.
    from.on('close', (failed) => (failed || !from.readableEnded ? to.resetAndDestroy() : undefined));
  }
}
