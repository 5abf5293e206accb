/**
 * The protobuf form of the built-in kinds (`application/vnd.kubernetes.protobuf`), to and from the objects that JSON clients send. Which
 * field has which number is generated (scripts/generate-protobuf.ts); the reading and writing here knows no kind. Whatever bytes come,
 * the answer is an object or a `ProtobufError`. Custom resources have no protobuf form. Defaults, validation and the checking of
 * unknown fields are left to others.
 */
import facts from '../gen/protobuf.json' with { type: 'json' };
import { type Decoded, decodeWith } from './decode.ts';
import { encodeWith, envelopeOf, listWith, messageWith } from './encode.ts';
import { Layout } from './layout.ts';

export { ProtobufError, type ProtobufErrorCode } from './error.ts';
export type { Decoded } from './decode.ts';
export { encodeWatchFrame } from './encode.ts';

const layout = new Layout(facts);

/** Whether objects of this kind can be read and written. */
export function hasProtobuf(apiVersion: string, kind: string): boolean {
  return layout.messageOf(apiVersion, kind) !== undefined;
}

/** @throws ProtobufError if the bytes are not one whole object of a known kind. */
export function decodeProtobuf(bytes: Uint8Array): Decoded {
  return decodeWith(layout, bytes);
}

/**
 * With its envelope. Fields that the kind has not are left out; no default is filled in but the zero values that Go always writes.
 * @throws ProtobufError if the kind has no protobuf form, or a value is not of its field's type.
 */
export function encodeProtobuf(object: object, apiVersion: string, kind: string): Uint8Array {
  return encodeWith(layout, object, apiVersion, kind);
}

/** Without its envelope, to be shared by `protobufEnvelope` and `encodeProtobufList`. Throws as `encodeProtobuf` does. */
export function encodeProtobufMessage(object: object, apiVersion: string, kind: string): Uint8Array {
  return messageWith(layout, object, apiVersion, kind);
}

export function protobufEnvelope(message: Uint8Array, apiVersion: string, kind: string): Uint8Array {
  return envelopeOf(message, apiVersion, kind);
}

/** The pieces of a list (`kind` is that of the list), in order, its envelope included; `items` are what `encodeProtobufMessage` gave. */
export function encodeProtobufList(
  list: { apiVersion: string; kind: string; metadata: object },
  items: readonly Uint8Array[],
): Iterable<Uint8Array> {
  return listWith(layout, list, items);
}
