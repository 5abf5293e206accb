/** Keys as etcd has them: bytes, with a prefix of their own. */

const afterAll = Buffer.from([0]);

export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Everything that etcd holds: whatever happens to any of it takes a revision. */
  readonly all = { key: afterAll, rangeEnd: afterAll };

  encode(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  decode(key: Uint8Array): string {
    const buffer = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
    return buffer.toString('utf8', this.#prefix.length);
  }

  /** The key without its prefix; undefined: it is somebody else's. */
  own(key: Uint8Array): string | undefined {
    const whole = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString();
    return whole.startsWith(this.#prefix) ? whole.slice(this.#prefix.length) : undefined;
  }

  /** etcd gives the empty key and the empty end meanings of their own. */
  range(start: string, end: string): { key: Buffer; rangeEnd: Buffer } {
    const key = this.#prefix + start === '' ? afterAll : this.encode(start);
    return { key, rangeEnd: start < end ? this.encode(end) : key };
  }
}
