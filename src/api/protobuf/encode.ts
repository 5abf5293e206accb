/** Writes objects in their envelope, and the frames that a watch is made of. */
import { magic } from './decode.ts';
import { ProtobufError } from './error.ts';
import type { Layout, Message } from './layout.ts';
import { type WriteContext, writeMessage } from './write.ts';
import { Writer } from './writer.ts';

const prefix = new Uint8Array(magic);

export function encodeWith(layout: Layout, object: unknown, apiVersion: string, kind: string): Uint8Array {
  const message = layout.messageOf(apiVersion, kind);
  if (message === undefined)
    throw new ProtobufError(
      `kind ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)} has no protobuf form: ask for application/json`,
      'unknownKind',
    );
  const writer = new Writer();
  text(writer, 4, '');
  text(writer, 3, '');
  const before = writer.size;
  writeMessage(contextOf(layout), message, writer, object, 0);
  close(writer, 2, before);
  const beforeType = writer.size;
  text(writer, 2, kind);
  text(writer, 1, apiVersion);
  close(writer, 1, beforeType);
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
