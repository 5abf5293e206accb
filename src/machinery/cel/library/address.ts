/** IP addresses and networks as text and bytes. */

/** 4 or 16 bytes; undefined when the text is no address. A zone is refused by the caller, who can tell it by the `%`. */
export function parseAddress(text: string): Uint8Array | undefined {
  const plain = text.includes(':') ? text.replace(/%.+$/s, '') : text;
  return plain.includes(':') ? parse6(plain) : parse4(plain);
}

function parse4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function parse6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1)?.at(-1) ?? '';
  let tail: Uint8Array | undefined;
  if (last.includes('.')) {
    tail = parse4(last);
    if (!tail) return undefined;
    groups.at(-1)?.pop();
  }
  const length = groups.flat().length * 2 + (tail ? 4 : 0);
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined;
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  const put = (at: number, list: readonly string[]): void =>
    list.forEach((group, i) => {
      const value = Number.parseInt(group, 16);
      bytes[at + i * 2] = value >> 8;
      bytes[at + i * 2 + 1] = value & 255;
    });
  put(0, groups[0] as string[]);
  if (halves.length === 2) put(16 - (tail ? 4 : 0) - (groups[1] as string[]).length * 2, groups[1] as string[]);
  if (tail) bytes.set(tail, 12);
  return bytes;
}

/** The canonical form: RFC 5952. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] as number) << 8) | (bytes[i * 2 + 1] as number)).toString(16),
  );
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (groups[i + run] === '0') run++;
    if (run > length) [start, length] = [i, run];
  }
  if (start < 0) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** An IPv4 address within IPv6. */
export function isMapped(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  );
}

/** Whether the first `bits` are the same. */
export function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  if (a.length !== b.length) return false;
  const masked = (bytes: Uint8Array) => maskAddress(bytes, bits);
  return masked(a).every((byte, i) => byte === masked(b)[i]);
}

/** The address with all but its first `bits` cleared. */
export function maskAddress(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, i) => {
    const kept = Math.max(0, Math.min(8, bits - i * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
}
