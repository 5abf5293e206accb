/** Writes objects in their envelope, and the frames that a watch is made of. */
import { magic } from './decode.ts';
import { ProtobufError } from './error.ts';
import type { Layout, Message } from './layout.ts';
import { type WriteContext, writeMessage } from './write.ts';
import { Writer } from './writer.ts';

const prefix = new Uint8Array(magic);

export function encodeWith(layout: Layout, object: unknown, apiVersion: string, kind: string): Uint8Array {
  return envelopeOf(messageWith(layout, object, apiVersion, kind), apiVersion, kind);
}

/** Without its envelope: as it stands in a list. */
export function messageWith(layout: Layout, object: unknown, apiVersion: string, kind: string): Uint8Array {
  const message = layout.messageOf(apiVersion, kind);
  if (message === undefined)
    throw new ProtobufError(
      `kind ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)} has no protobuf form: ask for application/json`,
      'unknownKind',
    );
  const writer = new Writer();
  writeMessage(contextOf(layout), message, writer, object, 0);
  return writer.done();
}

export function envelopeOf(message: Uint8Array, apiVersion: string, kind: string): Uint8Array {
  const writer = new Writer(message.length + 128);
  writer.bytes(closing);
  writer.bytes(message);
  writer.bytes(openingOf(message.length, apiVersion, kind));
  return writer.done();
}

/** The pieces of a list in its envelope, in order; `items` are messages of its kind's items, and are among the pieces as they are. */
export function* listWith(
  layout: Layout,
  { apiVersion, kind, metadata }: { apiVersion: string; kind: string; metadata: object },
  items: readonly Uint8Array[],
): Generator<Uint8Array> {
  const meta = messageWith(layout, { metadata }, apiVersion, kind);
  const heads = items.map(({ length }) => itemHead(length));
  const length = items.reduce((sum, item, i) => sum + heads[i]!.length + item.length, meta.length);
  yield openingOf(length, apiVersion, kind);
  yield meta;
  for (const [i, item] of items.entries()) {
    yield heads[i]!;
    yield item;
  }
  yield closing;
}

/** Every kind of list has its items as the second field. */
function itemHead(length: number): Uint8Array {
  const writer = new Writer(8);
  writer.unsigned(length);
  writer.unsigned(2 * 8 + 2);
  return writer.done();
}

/** Content encoding and content type, which nobody uses. */
const closing = new Uint8Array([3 * 8 + 2, 0, 4 * 8 + 2, 0]);

function openingOf(length: number, apiVersion: string, kind: string): Uint8Array {
  const writer = new Writer(128);
  writer.unsigned(length);
  writer.unsigned(2 * 8 + 2);
  const before = writer.size;
  text(writer, 2, kind);
  text(writer, 1, apiVersion);
  close(writer, 1, before);
  writer.bytes(prefix);
  return writer.done();
}

/** `object` is an encoded object, with its envelope. In front of the event stands its length, in four bytes, the highest first. */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  const writer = new Writer(object.length + 64);
  writer.bytes(object);
  close(writer, 1, 0);
  close(writer, 2, 0);
  text(writer, 1, type);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, writer.size);
  writer.bytes(length);
  return writer.done();
}

function contextOf(layout: Layout): WriteContext {
  let schema: Message | undefined;
  return { schema: () => (schema ??= layout.message('apiextensions.v1.JSONSchemaProps')) };
}

function text(writer: Writer, number: number, value: string): void {
  const before = writer.size;
  writer.text(value);
  close(writer, number, before);
}

function close(writer: Writer, number: number, before: number): void {
  writer.unsigned(writer.size - before);
  writer.unsigned(number * 8 + 2);
}
