/** Answers in protobuf. An object's message is made once for each revision of it, as its JSON is, and shared by all who ask. */
import { setImmediate } from 'node:timers/promises';
import {
  encodeProtobuf,
  encodeProtobufList,
  encodeProtobufMessage,
  encodeWatchFrame,
  hasProtobuf,
  protobufEnvelope,
} from '../../api/index.ts';
import { type AnyObject, apiVersionOf, type WatchEvent } from '../../machinery/index.ts';
import type { CacheEntry } from '../cache/index.ts';
import { fromStored, isDirect } from '../registry/index.ts';
import type { ServedResource } from '../resources.ts';

/** Messages that are made in one go: some milliseconds' worth. */
const slice = 200;

/** Undefined where the kind has no protobuf form: a client that asks for it takes JSON, too, and is told which it gets. */
export function protobufOf(value: unknown): Buffer | undefined {
  const { apiVersion = '', kind = '' } = value as Partial<AnyObject>;
  return hasProtobuf(apiVersion, kind) ? bufferOf(encodeProtobuf(value as object, apiVersion, kind)) : undefined;
}

export function protobufEntry(served: ServedResource, entry: CacheEntry): Buffer {
  return bufferOf(protobufEnvelope(messageOf(served, entry), served.apiVersion, served.kind.kind));
}

/** The pieces of a list, in order. */
export async function protobufList(
  served: ServedResource,
  metadata: Record<string, unknown>,
  entries: readonly CacheEntry[],
): Promise<Buffer[]> {
  const messages: Uint8Array[] = [];
  for (const entry of entries) {
    if (messages.length > 0 && messages.length % slice === 0) await setImmediate();
    messages.push(messageOf(served, entry));
  }
  const list = { apiVersion: apiVersionOf(served.kind), kind: `${served.kind.kind}List`, metadata };
  return Array.from(encodeProtobufList(list, messages), bufferOf);
}

export function protobufFrame(served: ServedResource, type: string, entry: CacheEntry): Buffer {
  return bufferOf(encodeWatchFrame(type, protobufEntry(served, entry)));
}

export function protobufEvent({ type, object }: WatchEvent): Buffer {
  const { apiVersion, kind } = object as AnyObject;
  return bufferOf(encodeWatchFrame(type, encodeProtobuf(object, apiVersion!, kind!)));
}

function messageOf(served: ServedResource, entry: CacheEntry): Uint8Array {
  const { kind, apiVersion } = served;
  if (isDirect(served)) return entry.message((object) => encodeProtobufMessage(object, apiVersion, kind.kind));
  return encodeProtobufMessage(fromStored(served, entry.object), apiVersion, kind.kind);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
