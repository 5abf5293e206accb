/** IPv4 addresses as numbers, and ranges of them. */

export interface Cidr {
  /** First address of the range. */
  readonly base: number;
  /** Length of the prefix, 0 to 32. */
  readonly bits: number;
}

/** The address as an unsigned number, or undefined when the text is not a dotted quad. */
export function tryParseIPv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

export function parseIPv4(text: string): number {
  const address = tryParseIPv4(text);
  if (address === undefined) throw new Error(`"${text}" is not an IPv4 address; write it as 10.0.0.1`);
  return address;
}

export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** `field` names the setting in the error. */
export function parseCidr(text: string, field: string): Cidr {
  const [ip = '', bits = '', ...rest] = text.split('/');
  const base = tryParseIPv4(ip);
  if (base === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) {
    throw new Error(`${field}: "${text}" is not an IPv4 range; write it as 10.244.0.0/16`);
  }
  const cidr = { base, bits: Number(bits) };
  if (base % sizeOf(cidr) !== 0) {
    const start = formatIPv4(base - (base % sizeOf(cidr)));
    throw new Error(`${field}: "${text}" does not start at its first address; write it as ${start}/${bits}`);
  }
  return cidr;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIPv4(cidr.base)}/${cidr.bits}`;
}

/** How many addresses the range holds. */
export function sizeOf(cidr: Cidr): number {
  return 2 ** (32 - cidr.bits);
}

export function contains(cidr: Cidr, address: number): boolean {
  return address >= cidr.base && address < cidr.base + sizeOf(cidr);
}

/** Whether all of `inner` lies in `outer`. */
export function covers(outer: Cidr, inner: Cidr): boolean {
  return outer.bits <= inner.bits && contains(outer, inner.base);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return covers(a, b) || covers(b, a);
}
