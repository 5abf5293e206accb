/** One question to one server and its answer, by datagram or by TCP. Each has a socket, and so a port, of its own. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock } from '../../machinery/index.ts';
import type { Upstream } from './upstreams.ts';

export type Exchange = (query: Buffer, to: Upstream, clock: Clock, timeout: number) => Promise<Buffer>;

export const exchangeDatagrams: Exchange = (query, to, clock, timeout) =>
  new Promise((resolve, reject) => {
    const socket = createSocket(to.address.includes(':') ? 'udp6' : 'udp4');
    const end = (error: Error | undefined, answer?: Buffer) => {
      timer.cancel();
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      if (answer) resolve(answer);
      else reject(error);
    };
    const timer = clock.after(timeout, () => end(new Error(`${to.address} did not answer within ${timeout} ms`)));
    socket.on('error', end);
    // A connected socket takes nothing from anybody else; the id tells strays from the answer.
    socket.on('message', (message) => {
      if (message.length >= 12 && message.readUInt16BE(0) === query.readUInt16BE(0)) end(undefined, message);
    });
    socket.connect(to.port, to.address, (error?: Error) => {
      if (error) end(error);
      else socket.send(query);
    });
  });

export const exchangeStream: Exchange = (query, to, clock, timeout) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: to.address, port: to.port });
    let received: Buffer = Buffer.alloc(0);
    const end = (error: Error | undefined, answer?: Buffer) => {
      timer.cancel();
      socket.destroy();
      if (answer) resolve(answer);
      else reject(error);
    };
    const timer = clock.after(timeout, () => end(new Error(`${to.address} did not answer within ${timeout} ms`)));
    socket.on('error', end);
    socket.on('close', () => end(new Error(`${to.address} closed the connection`)));
    socket.on('connect', () => socket.write(framed(query)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const size = received.length >= 2 ? received.readUInt16BE(0) : Number.POSITIVE_INFINITY;
      if (received.length >= size + 2) end(undefined, received.subarray(2, size + 2));
    });
  });

/** With its length in front, as TCP carries messages. */
export function framed(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(message.length + 2);
  out.writeUInt16BE(message.length, 0);
  message.copy(out, 2);
  return out;
}
