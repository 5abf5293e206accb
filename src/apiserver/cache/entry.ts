/**
 * One revision of one object, as everybody shares it: its bytes as they travel, made of what is stored, and the object itself, read
 * from them only when somebody asks. Both are frozen by agreement: nobody changes what is cached.
 */
import type { AnyObject } from '../../machinery/index.ts';
import { recent } from './recent.ts';
import { opening, Written } from './stored.ts';

export class CacheEntry {
  readonly key: string;
  readonly revision: number;
  /** As stored, and shared with the store. */
  readonly #stored: Buffer | undefined;
  /** What travels, where nothing is stored to make it of. */
  #bytes: Buffer | undefined;
  #object: AnyObject | undefined;
  /** What was let go, and somebody else may still hold. */
  #lent: WeakRef<AnyObject> | undefined;
  #message: Uint8Array | undefined;
  readonly #metadataEnd: number;
  readonly #specEnd: number;

  /** At least one of `stored` (see `storedBytes`) and `written`, or the object where nothing is stored. */
  constructor(key: string, revision: number, stored: Uint8Array | undefined, written: Written | AnyObject | undefined) {
    const isWritten = written instanceof Written;
    const object = isWritten ? written.object : written;
    this.#metadataEnd = isWritten ? written.metadataEnd : 0;
    this.#specEnd = isWritten ? written.specEnd : 0;
    this.key = key;
    this.revision = revision;
    this.#stored =
      stored && (Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength));
    this.#object = object;
    if (object !== undefined && stored !== undefined) recent.keep(this);
  }

  /** The same, as another revision has it. */
  at(revision: number): CacheEntry {
    const { object } = this;
    const metadata = { ...object.metadata, resourceVersion: String(revision) };
    return new CacheEntry(this.key, revision, this.#stored, { ...object, metadata });
  }

  /**
   * The JSON of the object, its resourceVersion included. Made anew each time: that costs less than keeping a second copy of everything.
   */
  get bytes(): Buffer {
    if (this.#stored !== undefined) {
      const bytes = Buffer.allocUnsafe(this.length);
      this.writeTo(bytes, 0);
      return bytes;
    }
    return (this.#bytes ??= Buffer.from(JSON.stringify(this.#object)));
  }

  /** Of `bytes`. */
  get length(): number {
    return this.#stored === undefined ? this.bytes.length : this.#stored.length + stampLength(this.revision);
  }

  /** Writes `bytes` into another buffer, and answers where they end in it. */
  writeTo(into: Buffer, at: number): number {
    if (this.#stored !== undefined) return writeStamped(this.#stored, this.revision, into, at);
    return at + this.bytes.copy(into, at);
  }

  get object(): AnyObject {
    if (this.#object !== undefined) return this.#object;
    const lent = this.#lent?.deref();
    if (lent === undefined) this.#lent = undefined;
    this.#object = lent ?? (JSON.parse(this.bytes.toString()) as AnyObject);
    recent.keep(this);
    return this.#object;
  }

  /** For who writes the next revision; undefined: nothing of this one can be copied. */
  get written(): Written | undefined {
    if (this.#stored === undefined || this.#specEnd === 0) return undefined;
    return new Written(this.object, this.#stored, this.#metadataEnd, this.#specEnd);
  }

  letGo(): void {
    if (this.#object !== undefined) this.#lent ??= new WeakRef(this.#object);
    this.#object = undefined;
    this.#message = undefined;
  }

  /** Its other form, made by whoever asks first. */
  message(make: (object: AnyObject) => Uint8Array): Uint8Array {
    return (this.#message ??= make(this.object));
  }
}

const start = Buffer.from(opening);
const before = Buffer.from('"resourceVersion":"');
const after = Buffer.from('",');

/** Something always follows the stamp: what is stored has a name. */
function stampLength(revision: number): number {
  return before.length + digitsOf(revision) + after.length;
}

function digitsOf(revision: number): number {
  let digits = 1;
  for (let rest = revision; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

/**
 * What travels: the stored JSON with its revision put in. Lists do this ten thousand times: the long end is copied in one go, to where it belongs
 * (with the short beginning, which is then written where that belongs).
 */
function writeStamped(stored: Buffer, revision: number, into: Buffer, at: number): number {
  const head = stored.indexOf(start) + opening.length;
  const digits = digitsOf(revision);
  const length = before.length + digits + after.length;
  into.set(stored, at + length);
  for (let i = 0; i < head; i++) into[at + i] = stored[i]!;
  let next = at + head;
  for (let i = 0; i < before.length; i++) into[next++] = before[i]!;
  for (let i = digits - 1, rest = revision; i >= 0; i--, rest = Math.floor(rest / 10))
    into[next + i] = 0x30 + (rest % 10);
  next += digits;
  for (let i = 0; i < after.length; i++) into[next++] = after[i]!;
  return at + stored.length + length;
}
