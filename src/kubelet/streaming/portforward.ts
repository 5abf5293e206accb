/** Port forwarding: connections to ports inside a pod, many over one connection of the client. */
import { PassThrough, type Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { StatusError } from '../../machinery/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SpdyConnection, SpdyStream } from './spdy/connection.ts';

/** Over SPDY: each connection is a pair of streams (`data`, `error`) with the same request id. */
export function serveSpdyForward(connection: SpdyConnection, runtime: Runtime, sandboxId: string): void {
  const errors = new Map<string, SpdyStream>();
  connection.on('stream', (stream) => {
    const request = stream.headers.get('requestid') ?? stream.headers.get('port') ?? '';
    if (stream.headers.get('streamtype') === 'error') {
      errors.set(request, stream);
      stream.resume();
      return;
    }
    const error = errors.get(request);
    errors.delete(request);
    void forward(runtime, sandboxId, Number(stream.headers.get('port')), stream, (message) => {
      if (message) error?.end(message);
      else error?.end();
    });
  });
}

/** Joins a stream with a port; `told` is called once, with '' when all went well. Never rejects. */
async function forward(
  runtime: Runtime,
  sandboxId: string,
  port: number,
  stream: Duplex,
  told: (error: string) => void,
): Promise<void> {
  try {
    if (!(port > 0 && port < 65536)) throw new Error(`port ${port} is not between 1 and 65535`);
    const target = await runtime.portForward(sandboxId, port);
    target.on('error', () => stream.destroy());
    stream.on('error', () => target.destroy());
    stream.on('close', () => target.destroy());
    stream.pipe(target);
    target.pipe(stream);
    target.on('close', () => told(''));
  } catch (error) {
    told(`error forwarding port ${port} to pod: ${(error as Error).message}`);
    stream.end();
    stream.resume();
  }
}

/** The ports that the query names. Throws `BadRequest`. */
export function parsePorts(query: URLSearchParams): number[] {
  const ports = [...query.getAll('ports'), ...query.getAll('port')].flatMap((text) => text.split(',')).map(Number);
  if (ports.length === 0) throw StatusError.badRequest('query parameter "port" is required');
  const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65535);
  if (wrong !== undefined) throw StatusError.badRequest(`port ${wrong} is not between 1 and 65535`);
  return ports;
}

/** Over plain WebSocket channels: two for each port, named in the query; the first message of each is the port. */
export function serveChannelForward(socket: WebSocket, runtime: Runtime, sandboxId: string, ports: number[]): void {
  const send = (to: number, data: Buffer) => socket.send(Buffer.concat([Buffer.from([to]), data]));
  const inputs: PassThrough[] = [];
  for (const [index, port] of ports.entries()) {
    const name = Buffer.alloc(2);
    name.writeUInt16LE(port);
    send(index * 2, name);
    send(index * 2 + 1, name);
    const input = new PassThrough();
    inputs.push(input);
    void join(socket, runtime, sandboxId, port, input, (data) => send(index * 2, data)).catch((error) =>
      send(index * 2 + 1, Buffer.from(`error forwarding port ${port} to pod: ${error.message}`)),
    );
  }
  socket.on('message', (message: Buffer) => {
    const to = message[0] as number;
    const input = inputs[to >> 1];
    if (!input || to % 2 !== 0 || input.write(message.subarray(1))) return;
    socket.pause();
    input.once('drain', () => socket.resume());
  });
  socket.on('error', () => socket.terminate());
}

async function join(
  socket: WebSocket,
  runtime: Runtime,
  sandboxId: string,
  port: number,
  input: PassThrough,
  send: (data: Buffer) => void,
): Promise<void> {
  const target = await runtime.portForward(sandboxId, port);
  socket.on('close', () => target.destroy());
  input.pipe(target);
  target.on('error', () => {});
  for await (const chunk of target) if (socket.readyState === socket.OPEN) send(chunk as Buffer);
  socket.close(1000);
}
