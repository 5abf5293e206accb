/** The cluster's name server: datagrams and TCP on one address. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Authority } from './authority.ts';
import {
  codes,
  datagramLimit,
  emptySections,
  encodeName,
  encodeRecords,
  nothing,
  type Question,
  readAnswer,
  readQuestion,
  type ResourceRecord,
  types,
  writeAnswer,
  writeCode,
} from './codec.ts';
import { framed } from './exchange.ts';
import type { Forwarder } from './forward.ts';

export interface DnsOptions {
  authority: Authority;
  forwarder: Forwarder;
  address: string;
  /** 0: any. */
  port: number;
}

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** How many questions came, by their answer's code. */
  readonly answered: readonly number[];
  stop(): Promise<void>;
}

const maxConnections = 128;
/** Milliseconds that a connection may be idle. */
const idle = 10_000;
const maxStreamMessage = 65_535;
const attempts = 10;

/** Rejects when the address or the port cannot be had. */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const answered = Array(16).fill(0) as number[];
  const answer = (query: Buffer, stream: boolean) => respond(options, answered, query, stream);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => serveStream(socket, sockets, answer));
  server.maxConnections = maxConnections;
  const datagrams = await listenBoth(server, options.address, options.port);
  const { port } = datagrams.address();
  datagrams.on('message', (query, from) => {
    const send = (message: Buffer | undefined) => {
      if (message) datagrams.send(message, from.port, from.address);
    };
    const now = answer(query, false);
    if (now instanceof Promise) void now.then(send);
    else send(now);
  });
  // Whatever goes wrong with one datagram (a caller that is gone) is no reason to end.
  datagrams.on('error', () => {});
  return {
    address: options.address,
    port,
    answered,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        new Promise<void>((resolve) => datagrams.close(() => resolve())),
        new Promise<void>((resolve) => server.close(() => resolve())),
      ]);
    },
  };
}

/** Any port, where one is asked for, is one that both transports have free: what the streams were given may be taken for datagrams. */
async function listenBoth(server: Server, address: string, port: number): Promise<Datagrams> {
  for (let attempt = 1; ; attempt++) {
    await listen(server, port, address);
    const datagrams = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: asItIs });
    try {
      await bindDatagrams(datagrams, (server.address() as AddressInfo).port, address);
      return datagrams;
    } catch (error) {
      datagrams.close();
      await new Promise((resolve) => server.close(resolve));
      if (port !== 0 || attempt === attempts) throw error;
    }
  }
}

function bindDatagrams(socket: Datagrams, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, address, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}

/** Addresses of callers are addresses: looking each one up costs more than answering it. */
function asItIs(host: string, _: unknown, done: (error: null, address: string, family: number) => void): void {
  done(null, host, 4);
}

type Respond = (query: Buffer, stream: boolean) => Buffer | undefined | Promise<Buffer | undefined>;

function serveStream(socket: Socket, sockets: Set<Socket>, answer: Respond): void {
  let received: Buffer = nothing;
  sockets.add(socket);
  socket.setTimeout(idle, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => sockets.delete(socket));
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const size = received.readUInt16BE(0);
      const query = received.subarray(2, size + 2);
      received = received.subarray(size + 2);
      // Answers may overtake each other; their ids tell them apart (RFC 7766).
      void Promise.resolve(answer(query, true)).then((message) => {
        if (message === undefined) socket.destroy();
        else if (!socket.destroyed) socket.write(framed(message));
      });
    }
    // Somebody who asks without reading gets no more until he does.
    if (socket.writableLength > 1 << 20) socket.destroy();
  });
}

/** Undefined: what came deserves no answer. */
function respond(
  options: DnsOptions,
  answered: number[],
  query: Buffer,
  stream: boolean,
): Buffer | undefined | Promise<Buffer | undefined> {
  const found = answerOf(options, query, stream);
  const count = (message: Buffer | undefined) => {
    if (message) answered[message[3]! & 15]!++;
    return message;
  };
  return found instanceof Promise ? found.then(count) : count(found);
}

function answerOf(options: DnsOptions, query: Buffer, stream: boolean): Buffer | undefined | Promise<Buffer> {
  const question = readQuestion(query);
  if (question === undefined) return malformed(query);
  if ((question.flags & 0x7800) !== 0) return writeCode(query, question, codes.notImplemented);
  if (question.class !== 1) return writeCode(query, question, codes.refused);
  const limit = stream ? maxStreamMessage : datagramLimit(question);
  const answer = options.authority.answer(question.name, question.type);
  if (answer === 'foreign') {
    return (
      options.forwarder.known(query, question, stream) ?? options.forwarder.ask(Buffer.from(query), question, stream)
    );
  }
  if ('chase' in answer) return chase(options, Buffer.from(query), question, answer, limit);
  return writeAnswer(query, question, answer, limit);
}

/** An alias of a name elsewhere: with that name's addresses, when somebody knows them. */
async function chase(
  { forwarder }: DnsOptions,
  query: Buffer,
  question: Question,
  { chase: name, records }: { chase: string; records: ResourceRecord[] },
  limit: number,
): Promise<Buffer> {
  const own = encodeRecords(records, question.name);
  const wanted = question.type === types.A || question.type === types.AAAA;
  const message = wanted ? await forwarder.resolve(name, question.type) : undefined;
  const found = message === undefined ? [] : addressesIn(message, name, question.type);
  return writeAnswer(
    query,
    question,
    {
      ...emptySections,
      authoritative: true,
      answers: Buffer.concat([own, ...found]),
      answerCount: records.length + found.length,
    },
    limit,
  );
}

/** Its addresses, as records of the alias's target: how many more aliases were on the way is nobody's concern. */
function addressesIn(message: Buffer, name: string, type: number): Buffer[] {
  const answers = (readAnswer(message)?.records ?? []).filter((record) => record.section === 0 && record.type === type);
  const owner = encodeName(name);
  return answers.map((record) => Buffer.concat([owner, message.subarray(record.head, record.end)]));
}

/** Answers are never answered, and nothing that is too short to have an id. */
function malformed(query: Buffer): Buffer | undefined {
  if (query.length < 12 || (query[2]! & 0x80) !== 0) return undefined;
  const out = Buffer.alloc(12);
  query.copy(out, 0, 0, 2);
  out.writeUInt16BE(0x8000 | codes.malformed, 2);
  return out;
}
