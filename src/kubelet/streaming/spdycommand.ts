/** Exec and attach over SPDY, as clients before WebSocket speak it: one stream for each of the program's. */
import { PassThrough, type Writable } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import type { Runtime, Streams } from '../runtime/runtime.ts';
import { type RemoteRequest, flush, runRemote, terminalSizes } from './remotecommand.ts';
import type { SpdyConnection, SpdyStream } from './spdy/connection.ts';

export const spdyCommandProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;

/** Milliseconds within which a client must open its streams. */
const openLimit = 30_000;

export async function serveSpdyCommand(
  connection: SpdyConnection,
  protocol: string,
  runtime: Runtime,
  request: RemoteRequest,
  clock: Clock,
): Promise<void> {
  const wanted = [
    'error',
    ...(request.stdin ? ['stdin'] : []),
    ...(request.stdout ? ['stdout'] : []),
    ...(request.stderr ? ['stderr'] : []),
  ];
  if (request.tty && /^v[34]/.test(protocol)) wanted.push('resize');
  const gone = new AbortController();
  connection.on('close', () => gone.abort(new Error('the client went away')));
  const opened = await openStreams(connection, wanted, clock).catch(() => undefined);
  if (!opened) return connection.close();
  const out = (name: string) => opened.get(name) as SpdyStream | undefined;
  const streams: Streams = {
    ...(request.stdin && { stdin: out('stdin') }),
    ...(request.stdout && { stdout: kept(out('stdout')) }),
    ...(request.stderr && { stderr: kept(out('stderr')) }),
    ...(out('resize') && { resize: terminalSizes(out('resize') as AsyncIterable<Buffer>) }),
  };
  const status = await runRemote(runtime, request, streams, gone.signal);
  await flush(streams);
  await flush({ stdout: out('stdout'), stderr: out('stderr') });
  const told = protocol.startsWith('v4')
    ? JSON.stringify(status)
    : status.status === 'Success'
      ? ''
      : (status.message ?? '');
  out('error')?.end(told);
  await flush({ stdout: out('error') });
  await connection.end();
}

/** What a driver writes to and may leave open. */
function kept(stream: SpdyStream | undefined): Writable | undefined {
  if (!stream) return undefined;
  const through = new PassThrough();
  through.pipe(stream);
  return through;
}

function openStreams(connection: SpdyConnection, wanted: string[], clock: Clock): Promise<Map<string, SpdyStream>> {
  const opened = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const late = clock.after(openLimit, () => reject(new Error('the client did not open its streams in time')));
    connection.on('close', () => {
      late.cancel();
      reject(new Error('the connection was closed'));
    });
    connection.on('stream', (stream) => {
      opened.set(stream.headers.get('streamtype') ?? '', stream);
      if (!wanted.every((name) => opened.has(name))) return;
      late.cancel();
      resolve(opened);
    });
  });
}
