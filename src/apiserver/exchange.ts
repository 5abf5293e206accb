/** One request and its answer, free of whether it came by HTTP/1.1 or HTTP/2. */

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Bytes, or pieces that make up `length` bytes and are asked for one by one. */
export type Body = Buffer | (Iterable<Buffer> & { readonly length: number });

/** Headers of an answer, whatever it is; made once for many exchanges. */
export interface StandingHeaders {
  readonly canonical: Readonly<Record<string, string>>;
  /** The same, as HTTP/2 wants names. */
  readonly lowered: Readonly<Record<string, string>>;
}

/** Of a client certificate. `proxy`: it is (only, or also) that of a proxy in front, which names users by headers. */
export interface Subject {
  readonly CN?: string | string[];
  readonly O?: string | string[];
  readonly proxy?: 'only' | 'also';
}

/** Where a request spends its time, as upstream tells it. */
export type Layer =
  | 'authentication'
  | 'authorization'
  | 'impersonation'
  | 'apf-queue-wait'
  | 'mutating-webhook'
  | 'validating-webhook'
  | 'etcd';

export interface Exchange {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** The subject of a client certificate that the cluster's authority signed. */
  readonly subject: Subject | undefined;
  /** The address that the connection comes from. */
  readonly remoteAddress: string | undefined;
  /** Adds to what is recorded of the request; absent: nothing is. */
  readonly annotate?: ((name: string, value: string) => void) | undefined;
  /** Adds to the time that the request is recorded to have spent in one place; absent: nothing is. */
  readonly took?: ((layer: Layer, milliseconds: number) => void) | undefined;
  /** Go with whatever is answered from now on. */
  standing: StandingHeaders | undefined;
  /** Names the request in the answer and in what is recorded. */
  auditId: string | undefined;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The whole body. Rejects with `RequestEntityTooLarge` beyond `limit` bytes, and when it stays incomplete. */
  body(limit: number): Promise<Buffer>;
  /** Answers in one piece. */
  reply(code: number, headers: Record<string, string>, body: Body): void;
  /** Answers piece by piece. */
  stream(code: number, headers: Record<string, string>): Sink;
}

export interface Sink {
  /** Bytes that were written and not yet taken by the client. */
  readonly pending: number;
  write(bytes: Buffer): void;
  end(): void;
  /** Cuts the connection: the client cannot keep up. */
  destroy(): void;
}
