/**
 * One revision of one object, as everybody shares it: its bytes as they travel, made when somebody first asks, and the object itself, read
 * from them only when somebody asks. Both are frozen by agreement: nobody changes what is cached.
 */
import type { AnyObject } from '../../machinery/index.ts';

export class CacheEntry {
  readonly key: string;
  readonly revision: number;
  /** As stored, shared with the store, until somebody asks for what travels. */
  #stored: Uint8Array | undefined;
  #bytes: Buffer | undefined;
  #object: AnyObject | undefined;
  #message: Uint8Array | undefined;

  /** At least one of `stored` (see `storedBytes`) and `object`. */
  constructor(key: string, revision: number, stored: Uint8Array | undefined, object: AnyObject | undefined) {
    this.key = key;
    this.revision = revision;
    this.#stored = stored;
    this.#object = object;
  }

  /** The JSON of the object, its resourceVersion included. */
  get bytes(): Buffer {
    if (this.#bytes === undefined) {
      this.#bytes =
        this.#stored === undefined
          ? Buffer.from(JSON.stringify(this.#object))
          : stampedBytes(this.#stored, this.revision);
      this.#stored = undefined;
    }
    return this.#bytes;
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
function stampedBytes(stored: Uint8Array, revision: number): Buffer {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const at = source.indexOf(opening) + opening.length;
  const stamp = `"resourceVersion":"${revision}"${source[at] === 0x7d ? '' : ','}`;
  const bytes = Buffer.allocUnsafe(source.length + stamp.length);
  source.copy(bytes, 0, 0, at);
  bytes.write(stamp, at, 'latin1');
  source.copy(bytes, at + stamp.length, at);
  return bytes;
}
