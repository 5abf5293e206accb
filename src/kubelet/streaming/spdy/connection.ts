/**
 * One SPDY/3.1 connection: streams in both directions over one Duplex. Peers of Kubernetes keep no flow-control windows, so
 * none are kept here: a stream that nobody reads holds the connection back once its buffer is full.
 */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate } from 'node:zlib';
import { dictionary } from './dictionary.ts';
import {
  type Frame,
  FrameReader,
  controlFrame,
  dataFrame,
  decodeHeaders,
  encodeHeaders,
  flagFin,
  frameType,
  words,
} from './frame.ts';

const maxHeaderBytes = 256 * 1024;
const maxStreams = 1024;
const largestData = 32 * 1024;

export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly #connection: SpdyConnection;

  constructor(connection: SpdyConnection, id: number, headers: ReadonlyMap<string, string>) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += largestData) {
      this.#connection.send(dataFrame(this.id, chunk.subarray(at, at + largestData), false));
    }
    this.#connection.drained(done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.send(dataFrame(this.id, Buffer.alloc(0), true));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.forget(this.id, error !== null || !this.writableFinished);
    done(error);
  }
}

/** Emits `stream` for each that the peer opens, and `close` once. */
export class SpdyConnection extends EventEmitter<{ stream: [SpdyStream]; close: [] }> {
  readonly #socket: Duplex;
  readonly #reader = new FrameReader();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #inflate = createInflate({ dictionary });
  readonly #deflate = createDeflate({ dictionary });
  #work: Promise<void> = Promise.resolve();
  #sending: Promise<void> = Promise.resolve();
  #nextId: number;
  #closed = false;

  constructor(socket: Duplex, side: 'server' | 'client') {
    super();
    this.#socket = socket;
    this.#nextId = side === 'server' ? 2 : 1;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
    socket.on('end', () => this.close());
  }

  /** Opens a stream of our own. */
  open(headers: ReadonlyMap<string, string>): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#adopt(id, headers);
    this.#withHeaders(headers, (block) =>
      controlFrame(frameType.synStream, Buffer.concat([words(id, 0), Buffer.alloc(2), block])),
    );
    return stream;
  }

  send(frame: Buffer): void {
    this.#sending = this.#sending.then(() => {
      if (!this.#closed) this.#socket.write(frame);
    });
  }

  /** Calls back once what was sent has left, or the peer is slow no longer. */
  drained(done: () => void): void {
    void this.#sending.then(() => {
      if (this.#closed || !this.#socket.writableNeedDrain) return done();
      const go = () => {
        this.#socket.off('drain', go);
        this.#socket.off('close', go);
        done();
      };
      this.#socket.on('drain', go);
      this.#socket.on('close', go);
    });
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  forget(id: number, abruptly: boolean): void {
    if (!this.#streams.delete(id) || this.#closed) return;
    if (abruptly) this.send(controlFrame(frameType.rstStream, words(id, 5)));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.destroy();
    this.#streams.clear();
    this.#inflate.close();
    this.#deflate.close();
    this.#socket.destroy();
    this.emit('close');
  }

  /** Ends the connection once all that was sent has left. */
  async end(): Promise<void> {
    await this.#sending;
    if (this.#closed) return;
    this.#socket.end();
  }

  #received(chunk: Buffer): void {
    this.#work = this.#work
      .then(async () => {
        for (const frame of this.#reader.read(chunk)) if (!this.#closed) await this.#take(frame);
      })
      .catch(() => this.close());
  }

  async #take(frame: Frame): Promise<void> {
    if (frame.kind === 'data') return this.#data(frame.stream, frame.data, frame.fin);
    const { type, flags, payload } = frame;
    if (type === frameType.synStream) return this.#opened(payload, flags);
    if (type === frameType.synReply || type === frameType.headers) {
      await this.#headers(payload.subarray(4));
      if ((flags & flagFin) !== 0) this.#streams.get(payload.readUInt32BE(0) & 0x7fffffff)?.push(null);
    } else if (type === frameType.rstStream) {
      const stream = this.#streams.get(payload.readUInt32BE(0) & 0x7fffffff);
      this.#streams.delete(stream?.id ?? 0);
      stream?.destroy();
    } else if (type === frameType.ping) this.send(controlFrame(frameType.ping, payload));
  }

  #data(id: number, data: Buffer, fin: boolean): void {
    const stream = this.#streams.get(id);
    if (!stream || stream.readableEnded) return;
    if (data.length > 0 && !stream.push(Buffer.from(data))) this.#socket.pause();
    if (fin) stream.push(null);
  }

  async #opened(payload: Buffer, flags: number): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const headers = await this.#headers(payload.subarray(10));
    if (this.#streams.size >= maxStreams) return this.send(controlFrame(frameType.rstStream, words(id, 3)));
    const stream = this.#adopt(id, headers);
    if ((flags & flagFin) !== 0) stream.push(null);
    this.#withHeaders(new Map(), (block) => controlFrame(frameType.synReply, Buffer.concat([words(id), block])));
    this.emit('stream', stream);
  }

  #adopt(id: number, headers: ReadonlyMap<string, string>): SpdyStream {
    const stream = new SpdyStream(this, id, headers);
    stream.on('error', () => {});
    this.#streams.set(id, stream);
    return stream;
  }

  /** Header blocks share one compression: they are packed in the order in which they are sent. */
  #withHeaders(headers: ReadonlyMap<string, string>, frame: (block: Buffer) => Buffer): void {
    this.#sending = this.#sending.then(async () => {
      if (this.#closed) return;
      const block = await collect(this.#deflate, encodeHeaders(headers), Infinity);
      if (!this.#closed) this.#socket.write(frame(block));
    });
    this.#sending.catch(() => this.close());
  }

  async #headers(block: Buffer): Promise<Map<string, string>> {
    return decodeHeaders(await collect(this.#inflate, block, maxHeaderBytes));
  }
}

type Zip = ReturnType<typeof createInflate> | ReturnType<typeof createDeflate>;

/** Runs one block through and takes all that comes out of it. */
function collect(zip: Zip, input: Buffer, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const finish = (error?: Error) => {
      zip.off('data', take);
      zip.off('error', finish);
      if (error) reject(error);
      else resolve(Buffer.concat(parts));
    };
    const take = (part: Buffer) => {
      size += part.length;
      if (size > limit) finish(new Error(`SPDY headers are over ${limit} bytes`));
      parts.push(part);
    };
    zip.on('data', take);
    zip.on('error', finish);
    zip.write(input);
    zip.flush(constants.Z_SYNC_FLUSH, () => finish());
  });
}
