/** Datagrams for the userspace data plane: each caller has a socket of its own towards its endpoint, while it speaks. */
import { createSocket, type Socket } from 'node:dgram';
import type { Clock } from '../../machinery/index.ts';
import { type Backends, Chooser, type Listener } from './proxy.ts';

interface Conversation {
  socket: Socket;
  target: string;
  heard: number;
}

const maxConversations = 1024;
/** Milliseconds of silence after which a conversation is over. */
const silence = 60_000;

export function listenUdp(clock: Clock, ip: string, port: number, backends: Backends): Promise<Listener> {
  const chooser = new Chooser(clock, backends);
  const conversations = new Map<string, Conversation>();
  const server = createSocket('udp4');
  const end = (key: string) => {
    conversations.get(key)?.socket.close();
    conversations.delete(key);
  };
  const begin = (key: string, address: string, callerPort: number): Conversation | undefined => {
    const [target] = chooser.order(address);
    if (target === undefined) return undefined;
    chooser.chose(address, target);
    if (conversations.size >= maxConversations) end(conversations.keys().next().value as string);
    const socket = createSocket('udp4');
    socket.on('message', (message) => server.send(message, callerPort, address, () => {}));
    socket.on('error', () => {});
    socket.connect(target.port, target.ip);
    const conversation = { socket, target: `${target.ip}:${target.port}`, heard: clock.monotonic() };
    conversations.set(key, conversation);
    return conversation;
  };
  server.on('message', (message, from) => {
    const key = `${from.address}:${from.port}`;
    const conversation = conversations.get(key) ?? begin(key, from.address, from.port);
    if (conversation === undefined) return;
    conversation.heard = clock.monotonic();
    sendWhenConnected(conversation.socket, message);
  });
  const sweep = clock.every(silence / 2, () => {
    for (const [key, { heard }] of conversations) if (clock.monotonic() - heard > silence) end(key);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      sweep.cancel();
      reject(error);
    });
    server.bind({ address: ip, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {});
      resolve({
        port,
        update(next) {
          chooser.update(next);
          const left = new Set(next.targets.map((target) => `${target.ip}:${target.port}`));
          for (const [key, { target }] of conversations) if (!left.has(target)) end(key);
        },
        async close() {
          sweep.cancel();
          for (const key of conversations.keys()) end(key);
          await new Promise<void>((done) => server.close(() => done()));
        },
      });
    });
  });
}

function sendWhenConnected(socket: Socket, message: Buffer): void {
  try {
    socket.remoteAddress();
    socket.send(message, () => {});
  } catch {
    socket.once('connect', () => socket.send(message, () => {}));
  }
}
