/** Exec and attach over WebSocket: the first byte of each message says which stream it belongs to. */
import { PassThrough, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Status } from '../../machinery/index.ts';
import type { Runtime, Streams } from '../runtime/runtime.ts';
import { type RemoteRequest, flush, runRemote, terminalSizes } from './remotecommand.ts';

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** In the order in which we prefer them. */
export const commandProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

/** Bytes that may wait to be sent before output is held back. */
const highWater = 256 * 1024;

export async function serveChannels(socket: WebSocket, runtime: Runtime, request: RemoteRequest): Promise<void> {
  const protocol = socket.protocol || 'channel.k8s.io';
  const send = sender(socket, protocol.includes('base64'));
  const gone = new AbortController();
  const stdin = new PassThrough();
  const resize = new PassThrough();
  socket.on('close', () => {
    stdin.end();
    resize.end();
    gone.abort(new Error('the client went away'));
  });
  socket.on('error', () => socket.terminate());
  socket.on('message', (message: Buffer) => {
    const [to, data] = decode(message, protocol.includes('base64'));
    if (to === channel.stdin && request.stdin && !stdin.writableEnded) {
      if (!stdin.write(data)) hold(socket, stdin);
    } else if (to === channel.resize) resize.write(data);
    else if (to === channel.close && data[0] === channel.stdin) stdin.end();
  });
  const streams: Streams = {
    ...(request.stdin && { stdin }),
    ...(request.stdout && { stdout: output(socket, send, channel.stdout) }),
    ...(request.stderr && { stderr: output(socket, send, channel.stderr) }),
    ...(request.tty && { resize: terminalSizes(resize) }),
  };
  // Clients take a first, empty message as the sign that the connection stands.
  await send(request.stdout ? channel.stdout : request.stderr ? channel.stderr : channel.error, Buffer.alloc(0));
  const status = await runRemote(runtime, request, streams, gone.signal);
  await flush(streams);
  await send(channel.error, Buffer.from(wording(status, protocol))).catch(() => {});
  socket.close(1000);
}

/** Before v4 the error stream carried a sentence, and nothing on success. */
function wording(status: Status, protocol: string): string {
  if (/^v[45]/.test(protocol)) return JSON.stringify(status);
  return status.status === 'Success' ? '' : (status.message ?? '');
}

function decode(message: Buffer, base64: boolean): [number, Buffer] {
  if (message.length === 0) return [-1, message];
  if (!base64) return [message[0] as number, message.subarray(1)];
  return [Number(String.fromCharCode(message[0] as number)), Buffer.from(message.toString('latin1', 1), 'base64')];
}

function sender(socket: WebSocket, base64: boolean) {
  return (to: number, data: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (base64) socket.send(`${to}${data.toString('base64')}`, done);
      else socket.send(Buffer.concat([Buffer.from([to]), data]), done);
    });
}

function output(socket: WebSocket, send: (to: number, data: Buffer) => Promise<void>, to: number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (socket.readyState !== socket.OPEN) return done();
      const sent = send(to, chunk);
      if (socket.bufferedAmount < highWater) {
        sent.catch(() => {});
        return done();
      }
      sent.then(
        () => done(),
        () => done(),
      );
    },
  });
}

function hold(socket: WebSocket, stdin: PassThrough): void {
  socket.pause();
  stdin.once('drain', () => socket.resume());
}
