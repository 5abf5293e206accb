/** Writes answers down: objects, lists, tables, watches, errors. What is already bytes is passed on as it is. */
import { dump as toYaml } from 'js-yaml';
import type { Kind } from '../api/index.ts';
import { type AnyObject, apiVersionOf, type Status, type StatusError } from '../machinery/index.ts';
import type { CacheEntry } from './cache/index.ts';
import type { Body, Exchange } from './exchange.ts';
import { partialOf, tableOf, type IncludeObject } from './publish/table.ts';
import { json, protobufType, type Representation } from './publish/negotiate.ts';
import { protobufEntry, protobufList, protobufOf } from './publish/protobuf.ts';
import { type Answer, fromStored, isDirect, type ListAnswer, type ResourceCall } from './registry/index.ts';

export interface Reply {
  readonly code: number;
  readonly headers: Record<string, string>;
  readonly body: Body;
}

const protobufHeaders = { 'Content-Type': protobufType, 'Cache-Control': 'no-cache, private' };
const jsonHeaders = { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' };

export function replyOf(code: number, value: unknown, as: Representation = json): Reply {
  if (as.mediaType === 'application/yaml')
    return {
      code,
      headers: { ...jsonHeaders, 'Content-Type': 'application/yaml' },
      body: Buffer.from(toYaml(JSON.parse(JSON.stringify(value)))),
    };
  const message = as.mediaType === protobufType ? protobufOf(value) : undefined;
  if (message !== undefined) return { code, headers: protobufHeaders, body: message };
  return { code, headers: jsonHeaders, body: Buffer.from(`${JSON.stringify(value)}\n`) };
}

export function answerReply(
  call: ResourceCall,
  answer: Answer,
  as: Representation,
  now: number,
  include: IncludeObject,
): Reply {
  const { entry } = answer;
  const direct = entry !== undefined && isDirect(call.served);
  if (direct && as === json) return { code: answer.code, headers: jsonHeaders, body: lineOf(entry) };
  if (direct && as.as === 'object' && as.mediaType === protobufType)
    return { code: answer.code, headers: protobufHeaders, body: protobufEntry(call.served, entry) };
  const object = entry === undefined ? (answer.object as AnyObject) : fromStored(call.served, entry.object);
  const isStatus = object.kind === 'Status' && object.apiVersion === 'v1';
  if (as.as === 'Table' && !isStatus && call.subresource === '')
    return replyOf(
      answer.code,
      tableOf(call.served.kind, [object], now, include, { resourceVersion: object.metadata.resourceVersion }),
      as,
    );
  if (as.as === 'PartialObjectMetadata' && !isStatus) return replyOf(answer.code, partialOf(object), as);
  return replyOf(answer.code, object, as);
}

const comma = 0x2c;
const newline = 0x0a;
const closing = Buffer.from(']}\n');

/** As upstream's: JSON ends its line. */
function lineOf(entry: CacheEntry): Buffer {
  const line = Buffer.allocUnsafe(entry.length + 1);
  line[entry.writeTo(line, 0)] = newline;
  return line;
}

export async function listReply(
  call: ResourceCall,
  list: ListAnswer,
  as: Representation,
  now: number,
  include: IncludeObject,
): Promise<Reply> {
  const { served } = call;
  const metadata = listMeta(list);
  const direct = isDirect(served);
  if (direct && as.as === 'object' && as.mediaType === 'application/json') {
    const head = `{"kind":"${listKindOf(served.kind)}","apiVersion":"${served.apiVersion}","metadata":${JSON.stringify(metadata)},"items":[`;
    return { code: 200, headers: jsonHeaders, body: joined(Buffer.from(head), list) };
  }
  if (as.as === 'object' && as.mediaType === protobufType) {
    const parts = await protobufList(served, metadata, list.entries);
    return { code: 200, headers: protobufHeaders, body: bodyOf(parts) };
  }
  const objects = list.entries.map((entry) => fromStored(served, entry.object));
  if (as.as === 'Table') return replyOf(200, tableOf(served.kind, objects, now, include, metadata), as);
  if (as.as !== 'object')
    return replyOf(
      200,
      { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: objects.map(partialOf) },
      as,
    );
  return replyOf(200, listOf(call, objects, metadata), as);
}

export function listMeta({ revision, continue: next, remaining }: ListAnswer): Record<string, unknown> {
  return {
    resourceVersion: String(revision),
    ...(next !== undefined && { continue: next }),
    ...(remaining !== undefined && remaining > 0 && { remainingItemCount: remaining }),
  };
}

export function listOf(call: ResourceCall, items: readonly AnyObject[], metadata: Record<string, unknown>): AnyObject {
  const { kind } = call.served;
  return { kind: listKindOf(kind), apiVersion: apiVersionOf(kind), metadata, items } as unknown as AnyObject;
}

export function listKindOf(kind: Kind): string {
  return kind.listKind ?? `${kind.kind}List`;
}

function bodyOf(parts: readonly Buffer[]): Body {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const pieces = { length, [Symbol.iterator]: () => gathered(parts) };
  return length < pieceLength ? Buffer.concat(parts, length) : pieces;
}

/** One buffer for short lists; for long ones pieces, each made when the client has taken the one before. */
function joined(head: Buffer, { entries }: ListAnswer): Body {
  let length = head.length + closing.length + Math.max(entries.length - 1, 0);
  for (const entry of entries) length += entry.length;
  const pieces = { length, [Symbol.iterator]: () => piecesOf(head, entries) };
  return length < pieceLength ? Buffer.concat([...pieces]) : pieces;
}

/** Small enough that nobody waits long while one is encrypted. */
const pieceLength = 1 << 18;

/** Each entry is written where it travels from. */
function* piecesOf(head: Buffer, entries: ListAnswer['entries']): Generator<Buffer> {
  let piece = Buffer.allocUnsafe(pieceLength);
  let at = head.copy(piece);
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    const needed = 1 + entry.length + closing.length;
    if (at + needed > piece.length) {
      yield piece.subarray(0, at);
      piece = Buffer.allocUnsafe(Math.max(pieceLength, needed));
      at = 0;
    }
    if (i > 0) piece[at++] = comma;
    at = entry.writeTo(piece, at);
  }
  at += closing.copy(piece, at);
  yield piece.subarray(0, at);
}

/** Small parts put together to pieces of some size. */
function* gathered(small: Iterable<Buffer>): Generator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for (const part of small) {
    parts.push(part);
    length += part.length;
    if (length < pieceLength) continue;
    yield Buffer.concat(parts);
    parts = [];
    length = 0;
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

export function statusReply(error: StatusError): Reply {
  const reply = replyOf(error.code, error.toStatus());
  const wait = error.details?.retryAfterSeconds;
  return wait === undefined ? reply : { ...reply, headers: { ...reply.headers, 'Retry-After': String(wait) } };
}

export function send(exchange: Exchange, reply: Reply, warnings: readonly string[]): void {
  const { code, headers, body } = wantsPretty(exchange) ? pretty(reply) : reply;
  if (warnings.length === 0) return exchange.reply(code, headers, body);
  const told = warnings.map((text) => `299 - ${JSON.stringify(text.slice(0, 1000))}`).join(', ');
  // header values are latin-1: what is not is shown as a question mark
  exchange.reply(code, { ...headers, Warning: told.replaceAll(/[^\u0020-\u00ff]/g, '?').slice(0, 16_000) }, body);
}

/** People read what these show. */
const shownToPeople = /^(curl|Wget|Mozilla\/5\.0)/;

function wantsPretty({ query, headers }: Exchange): boolean {
  const asked = query.get('pretty');
  if (asked) return /^(1|t|true)$/i.test(asked);
  const agent = headers['user-agent'];
  return typeof agent === 'string' && shownToPeople.test(agent);
}

/** JSON with a line for each field. What is sent in pieces stays as it is: nobody reads that, and others would wait. */
function pretty(reply: Reply): Reply {
  const { headers, body } = reply;
  if (!Buffer.isBuffer(body) || headers['Content-Type'] !== jsonHeaders['Content-Type'] || body.length === 0)
    return reply;
  return { ...reply, body: Buffer.from(JSON.stringify(JSON.parse(String(body)), undefined, 2)) };
}

export function success(): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
}
