/** What a certificate may be used for, as the API names it and as a certificate says it (RFC 5280, 4.2.1.3 and 4.2.1.12). */
import { bits, oid } from './der.ts';

const keyUsages = [
  'digital signature',
  'content commitment',
  'key encipherment',
  'data encipherment',
  'key agreement',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
];
const synonyms: Readonly<Record<string, string>> = { __proto__: null as never, signing: 'digital signature' };
const purposes: Readonly<Record<string, string>> = {
  __proto__: null as never,
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
};

/** The DER of the bit string of key usages; undefined: none is named. */
export function keyUsageBits(usages: readonly string[]): Buffer | undefined {
  const named = usages.map((usage) => keyUsages.indexOf(synonyms[usage] ?? usage)).filter((bit) => bit >= 0);
  if (named.length === 0) return undefined;
  const last = Math.max(...named);
  const bytes = Buffer.alloc((last >> 3) + 1);
  for (const bit of named) bytes[bit >> 3]! |= 0x80 >> (bit & 7);
  return bits(bytes, 7 - (last & 7));
}

/** The DER of each extended usage. */
export function purposesOf(usages: readonly string[]): Buffer[] {
  return usages.filter((usage) => Object.hasOwn(purposes, usage)).map((usage) => oid(purposes[usage]!));
}
