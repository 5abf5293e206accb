/** Requests that leave HTTP: exec, attach and port-forward, each over WebSocket or SPDY/3.1. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { type Clock, StatusError } from '../../machinery/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { commandProtocols, serveChannels } from './channels.ts';
import { parsePorts, serveChannelForward, serveSpdyForward } from './portforward.ts';
import type { RemoteRequest } from './remotecommand.ts';
import { SpdyConnection } from './spdy/connection.ts';
import { serveSpdyCommand, spdyCommandProtocols } from './spdycommand.ts';

export type Upgraded =
  | { kind: 'command'; request: RemoteRequest }
  | { kind: 'portforward'; sandboxId: string; query: URLSearchParams };

interface Parts {
  runtime: Runtime;
  clock: Clock;
}

/** SPDY inside WebSocket, as `kubectl port-forward` has spoken it since 1.30. */
const tunnel = 'SPDY/3.1+portforward.k8s.io';
const forwardProtocols = [tunnel, 'v4.channel.k8s.io', 'portforward.k8s.io'];
const maxMessage = 32 * 1024 * 1024;

/** Throws `StatusError` when the client speaks nothing that we do; nothing was answered then. */
export function upgrade(parts: Parts, what: Upgraded, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const wanted = String(request.headers.upgrade ?? '').toLowerCase();
  if (wanted === 'websocket') return webSocket(parts, what, request, socket, head);
  if (wanted === 'spdy/3.1') return spdy(parts, what, request, socket, head);
  throw StatusError.badRequest(
    `upgrade to "${request.headers.upgrade ?? ''}" is not supported; use websocket or SPDY/3.1`,
  );
}

function offered(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((line) => line.split(','))
    .map((each) => each.trim())
    .filter(Boolean);
}

function choose(known: readonly string[], offers: string[]): string | undefined {
  return known.find((each) => offers.includes(each));
}

function webSocket(parts: Parts, what: Upgraded, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const offers = offered(request.headers['sec-websocket-protocol']);
  const known = what.kind === 'command' ? commandProtocols : forwardProtocols;
  const protocol = choose(known, offers);
  if (offers.length > 0 && !protocol) {
    throw StatusError.badRequest(
      `none of the protocols "${offers.join(', ')}" is supported; supported are ${known.join(', ')}`,
    );
  }
  const ports = what.kind === 'portforward' && protocol !== tunnel ? parsePorts(what.query) : [];
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessage,
    handleProtocols: () => protocol ?? false,
  });
  server.handleUpgrade(request, socket, head, (opened) => {
    if (what.kind === 'command')
      return void serveChannels(opened, parts.runtime, what.request).catch(() => opened.terminate());
    if (protocol !== tunnel) return serveChannelForward(opened, parts.runtime, what.sandboxId, ports);
    const stream = createWebSocketStream(opened);
    serveSpdyForward(new SpdyConnection(stream, 'server'), parts.runtime, what.sandboxId);
  });
}

function spdy(parts: Parts, what: Upgraded, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const offers = offered(request.headers['x-stream-protocol-version']);
  const known = what.kind === 'command' ? spdyCommandProtocols : ['portforward.k8s.io'];
  const protocol = offers.length === 0 ? known.at(-1) : choose(known, offers);
  if (!protocol) {
    throw new StatusError(
      'Forbidden',
      `unable to upgrade: unable to negotiate protocol: client supports ${offers.join(', ')}, server accepts ${known.join(', ')}`,
    );
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  const connection = new SpdyConnection(socket, 'server');
  if (what.kind === 'command')
    void serveSpdyCommand(connection, protocol, parts.runtime, what.request, parts.clock).catch(() =>
      connection.close(),
    );
  else serveSpdyForward(connection, parts.runtime, what.sandboxId);
}
