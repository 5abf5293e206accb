/** An exchange that is recorded: it sees what passes through it and hands it on as it is. */
import { formatGoDuration, isStatusError } from '../../machinery/index.ts';
import { parseBody } from '../body.ts';
import type { Witness } from '../chain.ts';
import type { Body, Exchange, Headers, Layer, Sink, StandingHeaders } from '../exchange.ts';
import type { RequestInfo, User } from '../request.ts';
import type { Audit, Outcome, Trail } from './index.ts';

/** Milliseconds after which it is told where a request spent them. */
const slow = 500;
const longest = new Set<Layer>(['authorization', 'apf-queue-wait', 'validating-webhook']);

export class AuditedExchange implements Exchange, Witness {
  readonly #audit: Audit;
  readonly #exchange: Exchange;
  readonly #layers = new Map<Layer, number>();
  readonly #received: number;
  #trail: Trail | undefined;
  #begun = false;

  constructor(audit: Audit, exchange: Exchange) {
    this.#audit = audit;
    this.#exchange = exchange;
    this.#received = audit.now();
  }

  get method(): string {
    return this.#exchange.method;
  }
  get path(): string {
    return this.#exchange.path;
  }
  get query(): URLSearchParams {
    return this.#exchange.query;
  }
  get headers(): Headers {
    return this.#exchange.headers;
  }
  get subject(): Exchange['subject'] {
    return this.#exchange.subject;
  }
  get remoteAddress(): string | undefined {
    return this.#exchange.remoteAddress;
  }
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
  get standing(): StandingHeaders | undefined {
    return this.#exchange.standing;
  }
  set standing(headers: StandingHeaders | undefined) {
    this.#exchange.standing = headers;
  }

  get auditId(): string | undefined {
    return this.#exchange.auditId;
  }
  set auditId(id: string | undefined) {
    this.#exchange.auditId = id;
  }

  authenticated(user: User, info: RequestInfo): void {
    const { path, query, headers, remoteAddress } = this.#exchange;
    const search = query.toString();
    this.#begun = true;
    this.#trail = this.#audit.begin({
      uri: search === '' ? path : `${path}?${search}`,
      id: this.auditId,
      userAgent: headers['user-agent'] as string | undefined,
      sourceIPs: sourceIPs(headers, remoteAddress),
      user,
      info,
      received: this.#received,
    });
  }

  impersonated(user: User): void {
    this.#trail?.impersonated(user);
  }

  decided(allowed: boolean, reason: string): void {
    this.#trail?.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
    this.#trail?.annotate('authorization.k8s.io/reason', reason);
  }

  /** Nobody was recognised: that is recorded, too. */
  unauthenticated(info: RequestInfo): void {
    if (!this.#begun) this.authenticated({ name: '', groups: [] }, info);
  }

  get annotate(): ((name: string, value: string) => void) | undefined {
    const trail = this.#trail;
    return trail && ((name, value) => trail.annotate(name, value));
  }

  get took(): ((layer: Layer, milliseconds: number) => void) | undefined {
    return this.#trail && this.#took;
  }

  /** What happens at once, and what is asked several times to find one thing out, counts by the longest. */
  readonly #took = (layer: Layer, milliseconds: number): void => {
    const before = this.#layers.get(layer) ?? 0;
    this.#layers.set(layer, longest.has(layer) ? Math.max(before, milliseconds) : before + milliseconds);
  };

  note(name: string, value: string): void {
    this.#trail?.annotate(name, value);
  }

  async body(limit: number): Promise<Buffer> {
    const bytes = await this.#exchange.body(limit);
    if (this.#trail?.wantsRequest && bytes.length > 0) this.#trail.requestObject(this.#parsed(bytes));
    return bytes;
  }

  reply(code: number, headers: Record<string, string>, body: Body): void {
    const trail = this.#trail;
    this.#exchange.reply(code, headers, body);
    if (trail === undefined) return;
    const wanted =
      (trail.wantsResponse || code >= 400) && (headers['Content-Type'] ?? '').startsWith('application/json');
    this.#complete(trail, { code, ...(wanted && { object: parsedJson(body) }) });
  }

  /** Who had to wait for long is told where. */
  #complete(trail: Trail, outcome: Outcome): void {
    const whole = this.#audit.now() - this.#received;
    if (whole > slow && this.#layers.size > 0) {
      for (const [layer, milliseconds] of this.#layers)
        if (milliseconds > 0) trail.annotate(`apiserver.latency.k8s.io/${layer}`, formatGoDuration(milliseconds));
      trail.annotate('apiserver.latency.k8s.io/total', formatGoDuration(whole));
    }
    trail.stage('ResponseComplete', outcome);
  }

  /** An upgrade was refused before there was anything to upgrade to. */
  refused(code: number, status: unknown): void {
    if (this.#trail !== undefined) this.#complete(this.#trail, { code, object: status });
  }

  stream(code: number, headers: Record<string, string>): Sink {
    this.longRunning(code);
    return this.#exchange.stream(code, headers);
  }

  /** The answer has begun and ends when the client, or the server, has had enough. */
  longRunning(code: number): void {
    const trail = this.#trail;
    if (trail === undefined) return;
    trail.stage('ResponseStarted', { code });
    const { signal } = this;
    if (signal.aborted) this.#complete(trail, { code });
    else signal.addEventListener('abort', () => this.#complete(trail, { code }), { once: true });
  }

  #parsed(bytes: Buffer): unknown {
    const type = this.headers['content-type'];
    try {
      return parseBody(bytes, typeof type === 'string' ? type : undefined, this.method === 'PATCH');
    } catch (error) {
      // the request is about to be refused for it
      if (isStatusError(error)) return undefined;
      throw error;
    }
  }
}

function sourceIPs(headers: Headers, remote: string | undefined): string[] {
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().flatMap((one) => one.split(','));
  const trimmed = forwarded.map((one) => one.trim()).filter((one) => one !== '');
  if (remote !== undefined && !trimmed.includes(remote)) trimmed.push(remote);
  return trimmed.slice(-32);
}

function parsedJson(body: Body): unknown {
  try {
    return JSON.parse((Buffer.isBuffer(body) ? body : Buffer.concat([...body])).toString());
  } catch {
    return undefined;
  }
}
