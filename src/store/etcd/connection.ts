/**
 * The way to an etcd cluster: one connection to one member at a time, the next member when that one fails. Every request asks for a member
 * that has a leader, so that one that was cut off from the others says so instead of waiting.
 */
import { Client, credentials, type ClientDuplexStream, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../machinery/index.ts';
import { StoreClosedError, StoreFullError, StoreUnavailableError } from '../store.ts';
import { decodeWatch, encodeWatch, type WatchAnswer, type WatchQuestion } from './messages.ts';

export interface EtcdTls {
  /** PEM of the authorities that may have signed the members' certificates; absent: those the system trusts. */
  ca?: string | Buffer;
  /** PEM; what this client shows. */
  certificate?: string | Buffer;
  key?: string | Buffer;
}

export interface ConnectionOptions {
  /** `host:port` of each member that may be asked. */
  endpoints: readonly string[];
  /** Absent: without encryption. */
  tls?: EtcdTls;
  clock: Clock;
}

/** How long one member may take to answer, and how long all of them together, in milliseconds. */
const attemptLimit = 5_000;
const patience = 20_000;
const firstPause = 20;
const longestPause = 500;

const settings = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.enable_retries': 0,
};

const bytesAsTheyAre = (bytes: Buffer) => bytes;

export interface WatchStream {
  cancel(): void;
}

/** What may be tried again, and may or may not have happened. */
const transient: readonly number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.INTERNAL,
  status.UNKNOWN,
  status.ABORTED,
];

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #clients = new Map<number, Client>();
  /** Which member is asked now. */
  #member = 0;
  readonly #closing = new AbortController();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get #client(): Client {
    const at = this.#member;
    let client = this.#clients.get(at);
    if (client === undefined) {
      client = new Client(this.#options.endpoints[at]!, this.#credentials(), settings);
      this.#clients.set(at, client);
    }
    return client;
  }

  #credentials() {
    const { tls } = this.#options;
    if (tls === undefined) return credentials.createInsecure();
    const pem = (text: string | Buffer | undefined) => (text === undefined ? null : Buffer.from(text));
    return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.certificate));
  }

  /**
   * Asks until a member answers. `again` is told to `encode` when the question may have been heard before.
   * Rejects with `StoreUnavailableError` when nobody answered in time, and with etcd's own error when it refused.
   */
  async ask<T>(method: string, encode: (again: boolean) => Buffer, decode: (bytes: Buffer) => T): Promise<T> {
    const { clock } = this.#options;
    const until = clock.monotonic() + patience;
    let pause = firstPause;
    for (let attempt = 0; ; attempt++) {
      const member = this.#member;
      try {
        return await this.#once(method, encode(attempt > 0), decode);
      } catch (error) {
        if (this.#closing.signal.aborted) throw new StoreClosedError();
        const { code, details } = error as ServiceError;
        if (/database space exceeded/.test(details ?? '')) throw new StoreFullError(error);
        const busy = code === status.RESOURCE_EXHAUSTED && /too many requests/.test(details ?? '');
        if (!busy && !transient.includes(code)) throw error;
        if (clock.monotonic() + pause > until) throw new StoreUnavailableError(this.#options.endpoints, error);
        if (!busy) this.leave(member);
        await clock.sleep(pause, this.#closing.signal).catch(() => {});
        pause = Math.min(pause * 2, longestPause);
      }
    }
  }

  #once<T>(method: string, question: Buffer, decode: (bytes: Buffer) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#options.clock.now() + attemptLimit;
      this.#client.makeUnaryRequest(
        method,
        bytesAsTheyAre,
        decode,
        question,
        withLeader(),
        { deadline },
        (error, answer) => (error === null ? resolve(answer as T) : reject(error)),
      );
    });
  }

  /** One watch on one member. `onEnd` is told once when it ends by itself. */
  watch(
    question: WatchQuestion,
    onAnswer: (answer: WatchAnswer) => void,
    onEnd: (error: Error | undefined) => void,
  ): WatchStream {
    const member = this.#member;
    const stream: ClientDuplexStream<Buffer, WatchAnswer> = this.#client.makeBidiStreamRequest(
      '/etcdserverpb.Watch/Watch',
      bytesAsTheyAre,
      decodeWatch,
      withLeader(),
    );
    let over = false;
    const end = (error: Error | undefined) => {
      if (over) return;
      over = true;
      this.leave(member);
      onEnd(error);
    };
    stream.on('data', (answer: WatchAnswer) => {
      if (!over) onAnswer(answer);
    });
    stream.on('error', end);
    stream.on('end', () => end(undefined));
    stream.write(encodeWatch(question));
    return {
      cancel: () => {
        over = true;
        stream.cancel();
      },
    };
  }

  /** From here on the next one is asked, unless another call has moved on already. */
  leave(member: number): void {
    if (member === this.#member) this.#member = (member + 1) % this.#options.endpoints.length;
  }

  close(): void {
    this.#closing.abort(new StoreClosedError());
    for (const client of this.#clients.values()) client.close();
  }
}

function withLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}
