/** SPDY/3.1 frames as bytes. Only what `kubectl` and its peers send is understood; the rest is passed over. */

export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;
export const flagFin = 1;

export type Frame =
  | { kind: 'data'; stream: number; fin: boolean; data: Buffer }
  | { kind: 'control'; type: number; flags: number; payload: Buffer };

/** Bytes; control frames larger than this end the connection. */
const maxControl = 256 * 1024;
const maxHeaders = 1000;

/** Takes bytes as they come and gives whole frames. Throws when they are not SPDY/3. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUIntBE(5, 3);
      const control = ((this.#rest[0] as number) & 0x80) !== 0;
      if (control && length > maxControl)
        throw new Error(`SPDY control frame of ${length} bytes is over ${maxControl}`);
      if (this.#rest.length < 8 + length) break;
      const payload = this.#rest.subarray(8, 8 + length);
      frames.push(control ? this.#control(payload) : this.#data(payload));
      this.#rest = this.#rest.subarray(8 + length);
    }
    return frames;
  }

  #control(payload: Buffer): Frame {
    const version = this.#rest.readUInt16BE(0) & 0x7fff;
    if (version !== 3) throw new Error(`SPDY version ${version} is not 3`);
    return { kind: 'control', type: this.#rest.readUInt16BE(2), flags: this.#rest[4] as number, payload };
  }

  #data(payload: Buffer): Frame {
    const fin = ((this.#rest[4] as number) & flagFin) !== 0;
    return { kind: 'data', stream: this.#rest.readUInt32BE(0) & 0x7fffffff, fin, data: payload };
  }
}

export function dataFrame(stream: number, data: Uint8Array, fin: boolean): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(stream, 0);
  head.writeUInt32BE(((fin ? flagFin : 0) << 24) | data.length, 4);
  return Buffer.concat([head, data]);
}

export function controlFrame(type: number, payload: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE((flags << 24) | payload.length, 4);
  return Buffer.concat([head, payload]);
}

export function words(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) out.writeUInt32BE(value >>> 0, index * 4);
  return out;
}

export function encodeHeaders(headers: ReadonlyMap<string, string>): Buffer {
  const parts = [words(headers.size)];
  for (const [name, value] of headers) {
    for (const text of [Buffer.from(name.toLowerCase()), Buffer.from(value)]) parts.push(words(text.length), text);
  }
  return Buffer.concat(parts);
}

export function decodeHeaders(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 4;
  const next = () => {
    const length = block.readUInt32BE(at);
    const end = at + 4 + length;
    if (end > block.length) throw new Error('SPDY header block is cut short');
    const text = block.toString('utf8', at + 4, end);
    at = end;
    return text;
  };
  const count = block.readUInt32BE(0);
  if (count > maxHeaders) throw new Error(`SPDY header block with ${count} headers is over ${maxHeaders}`);
  for (let i = 0; i < count; i++) {
    const name = next();
    headers.set(name.toLowerCase(), next());
  }
  return headers;
}
