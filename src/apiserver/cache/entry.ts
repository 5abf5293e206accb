/**
 * One revision of one object, as everybody shares it: its bytes as they travel, made once, and the object itself, read
 * from them only when somebody asks. Both are frozen by agreement: nobody changes what is cached.
 */
import type { AnyObject } from '../../machinery/index.ts';

export class CacheEntry {
  readonly key: string;
  readonly revision: number;
  #bytes: Buffer | undefined;
  #object: AnyObject | undefined;
  #message: Uint8Array | undefined;

  constructor(key: string, revision: number, bytes: Buffer | undefined, object: AnyObject | undefined) {
    this.key = key;
    this.revision = revision;
    this.#bytes = bytes;
    this.#object = object;
  }

  /** The JSON of the object, its resourceVersion included. */
  get bytes(): Buffer {
    return (this.#bytes ??= Buffer.from(JSON.stringify(this.#object)));
  }

  get object(): AnyObject {
    return (this.#object ??= JSON.parse(this.bytes.toString()) as AnyObject);
  }

  /** Its other form, made by whoever asks first. */
  message(make: (object: AnyObject) => Uint8Array): Uint8Array {
    return (this.#message ??= make(this.object));
  }
}

/**
 * The JSON that is stored: without a resourceVersion, which is the revision of the write and known only after it. The order of the
 * fields is fixed so that the place to put it at is known without reading.
 */
export function storedBytes(object: AnyObject): Buffer {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _, ...stored } = metadata;
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: stored, ...rest }));
}

const opening = Buffer.from('"metadata":{');

/** What travels: the stored JSON with its revision put in. */
export function stampedBytes(stored: Uint8Array, revision: number): Buffer {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const at = source.indexOf(opening) + opening.length;
  const stamp = `"resourceVersion":"${revision}"${source[at] === 0x7d ? '' : ','}`;
  const bytes = Buffer.allocUnsafe(source.length + stamp.length);
  source.copy(bytes, 0, 0, at);
  bytes.write(stamp, at, 'latin1');
  source.copy(bytes, at + stamp.length, at);
  return bytes;
}
