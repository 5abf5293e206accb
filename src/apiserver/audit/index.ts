/**
 * The record of who asked what and what came of it: events of audit.k8s.io/v1, as many and as detailed as a policy says, one line of JSON
 * each. It promises that what a policy asks for is handed to the log in the order of its happening. Where nothing is recorded it costs nothing:
 * a server without an audit has none, and a request of level `None` has no trail.
 */
import { type Clock, type Counter, isObject, MetricSet, type Random } from '../../machinery/index.ts';
import type { RequestInfo, User } from '../request.ts';
import type { AuditPolicy, Level, Recorded, Stage } from './policy.ts';

export { type AuditPolicy, auditPolicyOf } from './policy.ts';
export { type LogOptions, RotatingLog } from './log.ts';

export interface AuditOptions {
  readonly policy: AuditPolicy;
  /** Takes one event as a line of JSON. */
  write(line: string): void;
  readonly clock: Clock;
  readonly random: Random;
  /** Where it is counted what is recorded; absent: nowhere. */
  readonly metrics?: MetricSet;
}

export interface AuditedRequest {
  readonly uri: string;
  /** That the client gave it; absent: one is drawn. */
  readonly id?: string;
  readonly userAgent?: string;
  readonly sourceIPs?: readonly string[];
  readonly user: User;
  readonly info: RequestInfo;
  /** Milliseconds since the epoch. */
  readonly received: number;
}

export class Audit {
  readonly #options: AuditOptions;
  readonly #levels: Readonly<Record<Level, Counter>>;

  constructor(options: AuditOptions) {
    const { metrics = new MetricSet(), write } = options;
    const events = metrics.counter('apiserver_audit_event_total', 'Events that were recorded').with();
    const levels = metrics.counter('apiserver_audit_level_total', 'Requests, by how much of them is recorded', [
      'level',
    ]);
    const of = (level: Level) => levels.with(level);
    this.#levels = {
      None: of('None'),
      Metadata: of('Metadata'),
      Request: of('Request'),
      RequestResponse: of('RequestResponse'),
    };
    this.#options = {
      ...options,
      write: (line) => {
        events.add();
        write(line);
      },
    };
  }

  newId(): string {
    return this.#options.random.uuid();
  }

  now(): number {
    return this.#options.clock.now();
  }

  /** Undefined: nothing of this request is recorded. Otherwise its arrival has been. */
  begin(request: AuditedRequest): Trail | undefined {
    const recorded = this.#options.policy.recordOf(request.user, request.info);
    this.#levels[recorded.level].add();
    if (recorded.level === 'None') return undefined;
    const trail = new Trail(request, recorded, this.#options);
    trail.stage('RequestReceived');
    return trail;
  }
}

export interface Outcome {
  readonly code: number;
  /** What was answered; recorded at the level RequestResponse, and where it is a Status, what it says at every level. */
  readonly object?: unknown;
}

/** What is recorded of one request. */
export class Trail {
  readonly #options: AuditOptions;
  readonly #request: AuditedRequest;
  readonly #recorded: Recorded;
  readonly #id: string;
  readonly #annotations: Record<string, string> = {};
  #impersonated: User | undefined;
  #requestObject: unknown;

  constructor(request: AuditedRequest, recorded: Recorded, options: AuditOptions) {
    this.#request = request;
    this.#recorded = recorded;
    this.#options = options;
    this.#id = request.id ?? options.random.uuid();
  }

  get level(): Level {
    return this.#recorded.level;
  }

  /** Whether bodies of requests are recorded. */
  get wantsRequest(): boolean {
    return this.level === 'Request' || this.level === 'RequestResponse';
  }

  get wantsResponse(): boolean {
    return this.level === 'RequestResponse';
  }

  impersonated(user: User): void {
    if (user !== this.#request.user) this.#impersonated = user;
  }

  /** The first value of a name stays. */
  annotate(name: string, value: string): void {
    this.#annotations[name] ??= value;
  }

  /** Must not change afterwards. */
  requestObject(object: unknown): void {
    if (this.wantsRequest) this.#requestObject = this.#shown(object);
  }

  stage(stage: Stage, outcome?: Outcome): void {
    if (this.#recorded.omitStages.has(stage)) return;
    const { user, info, uri, userAgent, sourceIPs, received } = this.#request;
    const response = outcome?.object;
    this.#options.write(
      JSON.stringify({
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        level: this.level,
        auditID: this.#id,
        stage,
        requestURI: uri,
        verb: info.verb,
        user: shownUser(user),
        ...(this.#impersonated && { impersonatedUser: shownUser(this.#impersonated) }),
        ...(sourceIPs && { sourceIPs }),
        ...(userAgent && { userAgent: userAgent.slice(0, 1024) }),
        ...(info.isResource && { objectRef: objectRefOf(info, this.#requestObject) }),
        ...(outcome && { responseStatus: responseStatusOf(outcome) }),
        ...(this.#requestObject !== undefined && { requestObject: this.#requestObject }),
        ...(this.wantsResponse && response !== undefined && { responseObject: this.#shown(response) }),
        requestReceivedTimestamp: microTime(received),
        stageTimestamp: microTime(this.#options.clock.now()),
        ...(Object.keys(this.#annotations).length > 0 && { annotations: this.#annotations }),
      }),
    );
  }

  #shown(object: unknown): unknown {
    if (!this.#recorded.omitManagedFields || !isObject(object)) return object;
    const { items } = object;
    if (Array.isArray(items)) return { ...object, items: items.map(withoutManagedFields) };
    return withoutManagedFields(object);
  }
}

function withoutManagedFields(object: any): unknown {
  if (object?.metadata?.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function shownUser({ name, uid, groups, extra }: User) {
  return { username: name, ...(uid && { uid }), ...(groups.length > 0 && { groups }), ...(extra && { extra }) };
}

function objectRefOf(info: RequestInfo, sent: any) {
  const { resource, namespace, name, group, version, subresource } = info;
  const { name: named, uid, resourceVersion } = isObject(sent?.metadata) ? sent.metadata : {};
  return {
    resource,
    ...(namespace && { namespace }),
    ...((name || named) && { name: name || named }),
    ...(uid && { uid }),
    ...(group && { apiGroup: group }),
    apiVersion: version,
    ...(resourceVersion && { resourceVersion }),
    ...(subresource && { subresource }),
  };
}

function responseStatusOf({ code, object }: Outcome) {
  const status = object as any;
  if (status?.kind !== 'Status' || status.apiVersion !== 'v1') return { metadata: {}, code };
  const { reason, message, details } = status;
  return {
    metadata: {},
    ...(status.status && { status: status.status }),
    ...(message && { message }),
    ...(reason && { reason }),
    ...(details && { details }),
    code,
  };
}

function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
