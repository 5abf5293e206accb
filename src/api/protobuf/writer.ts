/**
 * Writes a message from its end to its beginning, as the length of what it holds is then known when it is due, without measuring
 * first. Grows as needed.
 */
const utf8 = new TextEncoder();

export class Writer {
  #bytes: Uint8Array;
  /** Where the last written byte lies; all behind it is written. */
  #at: number;

  constructor(size = 1024) {
    this.#bytes = new Uint8Array(size);
    this.#at = size;
  }

  /** How many bytes are written. The length of a message is the difference between two of these. */
  get size(): number {
    return this.#bytes.length - this.#at;
  }

  done(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  unsigned(value: number): void {
    if (value < 0x80) {
      this.#room(1);
      this.#bytes[--this.#at] = value;
    } else this.#varint(value >>> 0, Math.floor(value / 0x1_0000_0000));
  }

  /** Two's complement of 64 bits; `value` is a whole number. */
  signed(value: number): void {
    if (value >= 0 && value < 0x80) this.unsigned(value);
    else {
      const exact = BigInt.asUintN(64, BigInt(value));
      this.#varint(Number(exact & 0xffff_ffffn), Number(exact >> 32n));
    }
  }

  double(value: number): void {
    this.#room(8);
    this.#at -= 8;
    new DataView(this.#bytes.buffer).setFloat64(this.#at, value, true);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
  }

  text(value: string): void {
    const { length } = value;
    this.#room(length);
    const bytes = this.#bytes;
    const start = this.#at - length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return this.bytes(utf8.encode(value));
      bytes[start + i] = code;
    }
    this.#at = start;
  }

  #varint(low: number, high: number): void {
    this.#room(10);
    const bytes = this.#bytes;
    const groups = [];
    while (high > 0 || low >= 0x80) {
      groups.push((low & 0x7f) | 0x80);
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    groups.push(low);
    for (let i = groups.length - 1; i >= 0; i--) bytes[--this.#at] = groups[i]!;
  }

  #room(wanted: number): void {
    if (this.#at >= wanted) return;
    const { size } = this;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, size + wanted));
    grown.set(this.done(), grown.length - size);
    this.#bytes = grown;
    this.#at = grown.length - size;
  }
}
