/** IP addresses and networks. */
import { compareBytes } from '../bytes.ts';
import type { Library } from '../environment.ts';
import { EvaluationError, fail } from '../failure.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { sizeOf, traversal } from '../size.ts';
import { opaqueType } from '../types.ts';
import { Opaque } from '../values.ts';
import { formatAddress, isMapped, maskAddress, parseAddress, samePrefix } from './address.ts';

const ipType = opaqueType('net.IP');
const cidrType = opaqueType('net.CIDR');
const overload = overloadWith(
  new Map([
    ['net.IP', ipType],
    ['net.CIDR', cidrType],
  ]),
);

class Ip extends Opaque {
  readonly type = ipType;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }

  equals(other: unknown): boolean {
    return other instanceof Ip && compareBytes(this.bytes, other.bytes) === 0;
  }

  override get size(): number {
    return this.bytes.length;
  }
}

class Cidr extends Opaque {
  readonly type = cidrType;
  readonly bytes: Uint8Array;
  readonly bits: number;
  constructor(bytes: Uint8Array, bits: number) {
    super();
    this.bytes = bytes;
    this.bits = bits;
  }

  equals(other: unknown): boolean {
    return other instanceof Cidr && this.bits === other.bits && compareBytes(this.bytes, other.bytes) === 0;
  }

  override get size(): number {
    return Math.ceil(this.bits / 8);
  }
}

function ipOf(text: string): Ip {
  const quoted = JSON.stringify(text);
  const bytes = parseAddress(text);
  if (!bytes)
    return fail(
      `IP Address ${quoted} parse error during conversion from string: ParseAddr(${quoted}): unable to parse IP`,
    );
  if (text.includes('%')) return fail(`IP address ${quoted} with zone value is not allowed`);
  if (isMapped(bytes)) return fail(`IPv4-mapped IPv6 address ${quoted} is not allowed`);
  return new Ip(bytes);
}

function cidrOf(text: string): Cidr {
  const quoted = JSON.stringify(text);
  const problem = (what: string): never =>
    fail(
      `network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix(${quoted}): ${what}`,
    );
  const slash = text.lastIndexOf('/');
  if (slash < 0) problem("no '/'");
  const bytes = parseAddress(text.slice(0, slash));
  if (!bytes) return problem(`ParseAddr(${JSON.stringify(text.slice(0, slash))}): unable to parse IP`);
  if (text.includes('%')) problem('IPv6 zones cannot be present in a prefix');
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d*)$/.test(length)) problem(`bad bits after slash: ${JSON.stringify(length)}`);
  if (Number(length) > bytes.length * 8) problem('prefix length out of range');
  if (isMapped(bytes))
    fail(
      `network address parse error during conversion from string: IPv4-mapped IPv6 address ${quoted} is not allowed`,
    );
  return new Cidr(bytes, Number(length));
}

function valid(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof EvaluationError) return false;
    throw error;
  }
}

const starts = (bytes: Uint8Array, ...prefix: [number, number][]) =>
  prefix.every(([mask, value], i) => ((bytes[i] as number) & mask) === value);
const is4 = (bytes: Uint8Array) => bytes.length === 4;
const unspecified = ({ bytes }: Ip) => bytes.every((byte) => byte === 0);
const loopback = ({ bytes }: Ip) => (is4(bytes) ? bytes[0] === 127 : formatAddress(bytes) === '::1');
const multicast = ({ bytes }: Ip) => (is4(bytes) ? starts(bytes, [0xf0, 0xe0]) : bytes[0] === 0xff);
const linkLocalMulticast = ({ bytes }: Ip) =>
  is4(bytes) ? starts(bytes, [255, 224], [255, 0], [255, 0]) : starts(bytes, [255, 255], [15, 2]);
const linkLocalUnicast = ({ bytes }: Ip) =>
  is4(bytes) ? starts(bytes, [255, 169], [255, 254]) : starts(bytes, [255, 0xfe], [0xc0, 0x80]);
const globalUnicast = (ip: Ip) =>
  !unspecified(ip) &&
  !loopback(ip) &&
  !multicast(ip) &&
  !linkLocalUnicast(ip) &&
  !(is4(ip.bytes) && ip.bytes.every((byte) => byte === 255));

const containsIp = (network: Cidr, ip: Ip) => samePrefix(network.bytes, ip.bytes, network.bits);
const containsCidr = (network: Cidr, other: Cidr) =>
  network.bits <= other.bits && samePrefix(network.bytes, other.bytes, network.bits);

const once: CallCost = ([text]) => traversal(sizeOf(text));
const twice: CallCost = ([text]) => traversal(sizeOf(text), 2);
const ofContaining: CallCost = ([network, other]) =>
  traversal(sizeOf(network), 2) + (typeof other === 'string' ? traversal(sizeOf(other)) : 0);
const ofContainingCidr: CallCost = (args, result) => ofContaining(args, result) + traversal(sizeOf(args[0])) + 1;

const nominal: CallCost = () => 1;

export const netLibrary: Library = {
  types: [ipType, cidrType],
  overloads: [
    overload('string_to_ip', 'ip(string) -> net.IP', ipOf, once),
    overload('ip_family', 'net.IP.family() -> int', ({ bytes }: Ip) => (is4(bytes) ? 4 : 6)),
    overload(
      'ip_is_canonical',
      'ip.isCanonical(string) -> bool',
      (text: string) => formatAddress(ipOf(text).bytes) === text,
      twice,
    ),
    overload('ip_is_unspecified', 'net.IP.isUnspecified() -> bool', unspecified),
    overload('ip_is_loopback', 'net.IP.isLoopback() -> bool', loopback),
    overload('ip_is_link_local_multicast', 'net.IP.isLinkLocalMulticast() -> bool', linkLocalMulticast),
    overload('ip_is_link_local_unicast', 'net.IP.isLinkLocalUnicast() -> bool', linkLocalUnicast),
    overload('ip_is_global_unicast', 'net.IP.isGlobalUnicast() -> bool', globalUnicast),
    overload('is_ip', 'isIP(string) -> bool', (text: string) => valid(() => ipOf(text)), once),
    overload('ip_to_string', 'string(net.IP) -> string', ({ bytes }: Ip) => formatAddress(bytes)),
    overload('string_to_cidr', 'cidr(string) -> net.CIDR', cidrOf, once),
    overload(
      'cidr_contains_ip_string',
      'net.CIDR.containsIP(string) -> bool',
      (a: Cidr, b: string) => containsIp(a, ipOf(b)),
      ofContaining,
    ),
    overload('cidr_contains_ip_ip', 'net.CIDR.containsIP(net.IP) -> bool', containsIp, ofContaining),
    overload(
      'cidr_contains_cidr_string',
      'net.CIDR.containsCIDR(string) -> bool',
      (a: Cidr, b: string) => containsCidr(a, cidrOf(b)),
      ofContainingCidr,
    ),
    overload('cidr_contains_cidr', 'net.CIDR.containsCIDR(net.CIDR) -> bool', containsCidr, ofContainingCidr),
    overload('cidr_ip', 'net.CIDR.ip() -> net.IP', ({ bytes }: Cidr) => new Ip(bytes), nominal),
    overload('cidr_prefix_length', 'net.CIDR.prefixLength() -> int', ({ bits }: Cidr) => bits),
    overload(
      'cidr_masked',
      'net.CIDR.masked() -> net.CIDR',
      ({ bytes, bits }: Cidr) => new Cidr(maskAddress(bytes, bits), bits),
    ),
    overload('is_cidr', 'isCIDR(string) -> bool', (text: string) => valid(() => cidrOf(text)), once),
    overload(
      'cidr_to_string',
      'string(net.CIDR) -> string',
      ({ bytes, bits }: Cidr) => `${formatAddress(bytes)}/${bits}`,
    ),
  ],
};
