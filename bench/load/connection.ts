/**
 * The client side of the load: HTTP/1.1 over TLS with requests made beforehand and answers looked at no more than needed to count them, so
 * that the client is not what is measured.
 */
import { connect, type TLSSocket } from 'node:tls';

export interface Target {
  port: number;
  /** PEM: whom to believe, and as whom to come. */
  authority: string;
  certificate: string;
  key: string;
}

export function open(target: Target): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { port, authority: ca, certificate: cert, key } = target;
    const socket = connect({ host: '127.0.0.1', port, ca, cert, key, ALPNProtocols: ['http/1.1'] }, () =>
      resolve(socket),
    );
    socket.setNoDelay(true);
    socket.on('error', reject);
  });
}

export function request(method: string, path: string, body?: string, type = 'application/json'): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nUser-Agent: bench\r\n`;
  if (body === undefined) return Buffer.from(`${head}\r\n`);
  return Buffer.from(`${head}Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

export interface Answer {
  status: number;
  /** Bytes of the body as they travelled. */
  length: number;
}

const headEnd = Buffer.from('\r\n\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

/** One connection that asks, waits for the answer, asks again. */
export class Asker {
  readonly #socket: TLSSocket;
  #answered: ((answer: Answer) => void) | undefined;
  #status = 0;
  /** Body bytes still to come; -1: the head is not complete; -2: chunked. */
  #left = -1;
  #length = 0;
  #pending: Buffer = Buffer.alloc(0);

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#take(data));
  }

  ask(bytes: Buffer): Promise<Answer> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    let body = data;
    if (this.#left === -1) {
      const all = this.#pending.length > 0 ? Buffer.concat([this.#pending, data]) : data;
      const end = all.indexOf(headEnd);
      if (end < 0) {
        this.#pending = all;
        return;
      }
      this.#pending = Buffer.alloc(0);
      const head = all.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
      this.#left = length === undefined ? -2 : Number(length);
      this.#length = 0;
      body = all.subarray(end + 4);
    }
    this.#length += body.length;
    if (this.#left === -2) {
      if (body.length >= 5 && body.subarray(-5).equals(lastChunk)) this.#done();
    } else if ((this.#left -= body.length) === 0) this.#done();
  }

  #done(): void {
    this.#left = -1;
    const answered = this.#answered!;
    this.#answered = undefined;
    answered({ status: this.#status, length: this.#length });
  }
}

/** `connections` ask one after another, each what `next` gives, until `next` gives nothing. Any status but 2xx is an error. */
export async function run(
  target: Target,
  connections: number,
  next: () => Buffer | undefined,
  /** Milliseconds that an answer took, and when it was asked for. */
  took: (milliseconds: number, asked: number) => void = () => {},
): Promise<void> {
  const askers = await Promise.all(Array.from({ length: connections }, async () => new Asker(await open(target))));
  try {
    await Promise.all(askers.map((asker) => askAll(asker, next, took)));
  } finally {
    for (const asker of askers) asker.close();
  }
}

async function askAll(
  asker: Asker,
  next: () => Buffer | undefined,
  took: (milliseconds: number, asked: number) => void,
): Promise<void> {
  for (let bytes = next(); bytes !== undefined; bytes = next()) {
    const asked = performance.now();
    const { status } = await asker.ask(bytes);
    took(performance.now() - asked, asked);
    if (status < 200 || status > 299)
      throw new Error(`the server answered ${status} to ${bytes.toString().split('\r\n')[0]}`);
  }
}

export interface Pace {
  /** Answers a second. */
  rate: number;
  /** Milliseconds that 99 of 100 answers took at most. */
  p99: number;
}

/** For `warm` seconds uncounted, then for `seconds`. */
export async function pace(
  target: Target,
  { connections, warm, seconds }: { connections: number; warm: number; seconds: number },
  next: () => Buffer,
): Promise<Pace> {
  const started = performance.now();
  const from = started + warm * 1000;
  const until = from + seconds * 1000;
  const waits: number[] = [];
  await run(
    target,
    connections,
    () => (performance.now() >= until ? undefined : next()),
    (milliseconds, asked) => {
      if (asked >= from) waits.push(milliseconds);
    },
  );
  const rate = waits.length / ((performance.now() - from) / 1000);
  waits.sort((a, b) => a - b);
  return { rate, p99: waits[Math.floor(waits.length * 0.99)] ?? 0 };
}
