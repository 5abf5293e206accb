/** Reads the envelope that every object travels in: four bytes of magic, then its apiVersion and kind, then the object itself. */
import { ProtobufError } from './error.ts';
import type { Layout, Message } from './layout.ts';
import { depthLimit, type ReadContext, readMessage } from './read.ts';
import { Reader } from './wire.ts';

/** `k8s` and a zero byte. */
export const magic = [0x6b, 0x38, 0x73, 0x00] as const;

export interface Decoded {
  apiVersion: string;
  kind: string;
  /** As JSON would have it, `apiVersion` and `kind` included. */
  object: Record<string, unknown>;
}

export function decodeWith(layout: Layout, bytes: Uint8Array): Decoded {
  return decodeEnvelope(layout, contextOf(layout), bytes, 0);
}

export function contextOf(layout: Layout): ReadContext {
  let schema: Message | undefined;
  const context: ReadContext = {
    schema: () => (schema ??= layout.message('apiextensions.v1.JSONSchemaProps')),
    isEnvelope,
    embedded: (bytes, depth) => decodeEnvelope(layout, context, bytes, depth).object,
  };
  return context;
}

function isEnvelope(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Uint8Array;
}

function decodeEnvelope(layout: Layout, context: ReadContext, bytes: Uint8Array, depth: number): Decoded {
  if (depth > depthLimit) throw new ProtobufError(`the message is nested deeper than ${depthLimit} levels`);
  const { apiVersion, kind, raw } = openEnvelope(bytes);
  const message = layout.messageOf(apiVersion, kind);
  if (message === undefined)
    throw new ProtobufError(
      `kind ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)} has no protobuf form: send it as application/json`,
      'unknownKind',
    );
  const object = { kind, apiVersion };
  readMessage(context, message, new Reader(raw), raw.length, depth, object);
  return { apiVersion, kind, object };
}

function openEnvelope(bytes: Uint8Array): Envelope {
  if (!isEnvelope(bytes))
    throw new ProtobufError('the body does not begin as Kubernetes protobuf does, with the bytes 6b 38 73 00');
  const reader = new Reader(bytes);
  reader.at = magic.length;
  const envelope: Envelope = { apiVersion: '', kind: '', raw: bytes.subarray(0, 0) };
  while (reader.at < bytes.length) {
    const tag = reader.unsigned();
    if (tag === 0x0a) readType(reader, reader.end(bytes.length), envelope);
    else if (tag === 0x12) {
      const end = reader.end(bytes.length);
      envelope.raw = bytes.subarray(reader.at, end);
      reader.at = end;
    } else if (tag === 0x1a) {
      const encoding = reader.text(reader.end(bytes.length));
      if (encoding !== '')
        throw new ProtobufError(
          `the content encoding ${JSON.stringify(encoding.slice(0, 100))} inside of protobuf is not supported`,
        );
    } else if (tag >>> 3 === 0) throw new ProtobufError('the envelope has a field with the number 0');
    else reader.skip(tag & 7, bytes.length);
  }
  if (reader.at !== bytes.length) throw new ProtobufError(`the envelope is cut short after ${bytes.length} bytes`);
  if (envelope.kind === '' || envelope.apiVersion === '')
    throw new ProtobufError('the envelope names no apiVersion or no kind');
  return envelope;
}

function readType(reader: Reader, end: number, envelope: Envelope): void {
  while (reader.at < end) {
    const tag = reader.unsigned();
    if (tag === 0x0a) envelope.apiVersion = reader.text(reader.end(end));
    else if (tag === 0x12) envelope.kind = reader.text(reader.end(end));
    else reader.skip(tag & 7, end);
  }
  if (reader.at !== end)
    throw new ProtobufError('the apiVersion and kind of the envelope end in the middle of a field');
}
