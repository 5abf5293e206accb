/** The wire format of protocol buffers: varints, bytes and messages within messages. What a number of a field means is its user's matter. */

const utf8 = new TextDecoder();

export class Writer {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** An integer of zero or more. Zero is left out, as it is what an absent field means. */
  int(field: number, value: number): this {
    return value === 0 ? this : this.always(field, value);
  }

  /** Where an absent field means something else than zero. */
  always(field: number, value: number): this {
    const bytes: number[] = [];
    varint(bytes, field * 8);
    varint(bytes, value);
    return this.#add(Uint8Array.from(bytes));
  }

  bool(field: number, value: boolean): this {
    return this.int(field, value ? 1 : 0);
  }

  /** Not copied before the message is complete. */
  bytes(field: number, value: Uint8Array): this {
    const head: number[] = [];
    varint(head, field * 8 + 2);
    varint(head, value.length);
    return this.#add(Uint8Array.from(head)).#add(value);
  }

  message(field: number, value: Writer): this {
    const head: number[] = [];
    varint(head, field * 8 + 2);
    varint(head, value.#length);
    this.#add(Uint8Array.from(head));
    for (const part of value.#parts) this.#parts.push(part);
    this.#length += value.#length;
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts, this.#length);
  }

  #add(part: Uint8Array): this {
    this.#parts.push(part);
    this.#length += part.length;
    return this;
  }
}

function varint(to: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    to.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  to.push(rest);
}

/** Walks the fields of one message. What it hands out shares the memory of what it reads. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  #wire = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The number of the next field; 0 at the end. Its value has to be taken or skipped before the next call. */
  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.int();
    this.#wire = tag & 7;
    return Math.floor(tag / 8);
  }

  /** Beyond 2^53 it is not exact, which only identifiers of members and clusters are. */
  int(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (this.#at >= this.#end) throw new RangeError('a protobuf message ends in the middle of a number');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  bytes(): Uint8Array {
    const end = this.#sized();
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  text(): string {
    return utf8.decode(this.bytes());
  }

  message(): Reader {
    const end = this.#sized();
    const inner = new Reader(this.#bytes, this.#at, end);
    this.#at = end;
    return inner;
  }

  skip(): void {
    if (this.#wire === 0) this.int();
    else if (this.#wire === 1) this.#at += 8;
    else if (this.#wire === 2) this.#at = this.#sized();
    else if (this.#wire === 5) this.#at += 4;
    else throw new RangeError(`a protobuf message has a field of the unknown wire type ${this.#wire}`);
  }

  #sized(): number {
    const length = this.int();
    const end = this.#at + length;
    if (end > this.#end) throw new RangeError('a protobuf message is cut short');
    return end;
  }
}
