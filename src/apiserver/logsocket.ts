/** A pod's log for who asks with a WebSocket (RFC 6455), as browsers do: each piece is a message; what the client says is not heeded. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { StatusError } from '../machinery/index.ts';
import { header } from './chain.ts';
import type { Exchange } from './exchange.ts';

const binaryProtocol = 'binary.k8s.io';
const base64Protocol = 'base64.binary.k8s.io';
const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcode = { text: 1, binary: 2, close: 8 };

/** @throws BadRequest unless the request is a WebSocket's. */
export function sendLog(answer: IncomingMessage, exchange: Exchange, socket: Duplex): void {
  const protocol = shakeHands(exchange, socket);
  const write = (code: number, bytes: Buffer) => socket.write(Buffer.concat([frameHead(code, bytes.length), bytes]));
  answer.on('data', (bytes: Buffer) => {
    const more =
      protocol === base64Protocol
        ? write(opcode.text, Buffer.from(bytes.toString('base64')))
        : write(opcode.binary, bytes);
    if (more) return;
    answer.pause();
    socket.once('drain', () => answer.resume());
  });
  const normal = Buffer.from([0x03, 0xe8]);
  answer.on('end', () => {
    write(opcode.close, normal);
    socket.end();
  });
  answer.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    if ((bytes[0]! & 0x0f) === opcode.close) socket.end();
  });
  socket.on('close', () => answer.destroy());
}

function shakeHands({ headers }: Exchange, socket: Duplex): string {
  const key = header(headers, 'sec-websocket-key') ?? '';
  if (header(headers, 'upgrade')?.toLowerCase() !== 'websocket' || key === '')
    throw StatusError.badRequest('a log can be upgraded to a WebSocket only');
  const offered = (header(headers, 'sec-websocket-protocol') ?? '').split(',').map((one) => one.trim());
  const protocol = offered.find((one) => one === binaryProtocol || one === base64Protocol) ?? '';
  const accept = createHash('sha1').update(`${key}${magic}`).digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  lines.push(`Sec-WebSocket-Accept: ${accept}`);
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return protocol;
}

function frameHead(code: number, length: number): Buffer {
  const last = 0x80 | code;
  if (length < 126) return Buffer.from([last, length]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = last;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
