/** What a PKCS #10 certificate request (RFC 2986) asks for. Its signature is for whoever signs to check. */

export interface ParsedCertificateRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Whether the subject names anything besides. */
  readonly otherAttributes: boolean;
  readonly dnsNames: readonly string[];
  /** In the text form of IPv4 and IPv6. */
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  /** DER of what is signed, of the public key (SubjectPublicKeyInfo) and of the signature, and how it was made (dotted). */
  readonly signed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
  readonly algorithm: string;
}

interface Item {
  readonly tag: number;
  readonly bytes: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

const longest = 64 << 10;

/** `request` as a CertificateSigningRequest has it: base64 of PEM. Undefined: it is none. */
export function parseCertificateRequest(request: string | undefined): ParsedCertificateRequest | undefined {
  try {
    const der = derOf(request ?? '');
    return der && read(der);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function derOf(request: string): Uint8Array | undefined {
  if (request.length > longest) return undefined;
  const pem = decode(request);
  const text = pem && new TextDecoder().decode(pem);
  const body = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\s\S]*?)-----END/.exec(text ?? '')?.[1];
  return body === undefined ? undefined : decode(body.replaceAll(/\s/g, ''));
}

function decode(base64: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined;
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function read(der: Uint8Array): ParsedCertificateRequest {
  const [outer] = items(der);
  const [info, method, signature] = items(expect(outer, 0x30).bytes);
  const [, subject, publicKey, attributes] = items(expect(info, 0x30).bytes);
  const names = [...attributesOf(expect(subject, 0x30))];
  const of = (id: string) => names.filter(([type]) => type === id).map(([, value]) => value);
  const alternatives = attributes === undefined ? [] : alternativeNames(attributes);
  const texts = (tag: number) =>
    alternatives.filter((one) => one.tag === tag).map(({ bytes }) => new TextDecoder().decode(bytes));
  return {
    commonName: of('2.5.4.3')[0] ?? '',
    organizations: of('2.5.4.10'),
    otherAttributes: names.some(([type]) => type !== '2.5.4.3' && type !== '2.5.4.10'),
    emailAddresses: texts(0x81),
    dnsNames: texts(0x82),
    uris: texts(0x86),
    ipAddresses: alternatives.filter(({ tag }) => tag === 0x87).map(({ bytes }) => addressOf(bytes)),
    signed: expect(info, 0x30).whole,
    publicKey: expect(publicKey, 0x30).whole,
    signature: expect(signature, 0x03).bytes.subarray(1),
    algorithm: oidOf(expect(items(expect(method, 0x30).bytes)[0], 0x06).bytes),
  };
}

function expect(item: Item | undefined, tag: number): Item {
  if (item?.tag !== tag) throw new RangeError('not a certificate request');
  return item;
}

function items(bytes: Uint8Array): Item[] {
  const found: Item[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const tag = bytes[at++]!;
    let length = bytes[at++] ?? bad();
    if (length & 0x80) {
      const digits = length & 0x7f;
      if (digits === 0 || digits > 3) bad();
      length = 0;
      for (let i = 0; i < digits; i++) length = length * 256 + (bytes[at++] ?? bad());
    }
    if (at + length > bytes.length) bad();
    found.push({ tag, bytes: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) });
    at += length;
  }
  return found;
}

function bad(): never {
  throw new RangeError('truncated');
}

/** Type and value of each attribute of a name. */
function* attributesOf(name: Item): Generator<[string, string]> {
  for (const set of items(name.bytes))
    for (const attribute of items(expect(set, 0x31).bytes)) {
      const [type, value] = items(expect(attribute, 0x30).bytes);
      yield [oidOf(expect(type, 0x06).bytes), new TextDecoder().decode(value?.bytes ?? bad())];
    }
}

function oidOf(bytes: Uint8Array): string {
  const parts: number[] = [];
  let part = 0;
  for (const byte of bytes) {
    part = part * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    parts.push(part);
    part = 0;
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** The names of the subjectAltName among the extensions that are asked for. */
function alternativeNames(attributes: Item): Item[] {
  for (const attribute of items(attributes.bytes)) {
    const [type, values] = items(attribute.bytes);
    if (oidOf(expect(type, 0x06).bytes) !== '1.2.840.113549.1.9.14') continue;
    const [extensions] = items(expect(values, 0x31).bytes);
    for (const extension of items(expect(extensions, 0x30).bytes)) {
      const parts = items(extension.bytes);
      if (oidOf(expect(parts[0], 0x06).bytes) !== '2.5.29.17') continue;
      const [list] = items(expect(parts.at(-1), 0x04).bytes);
      return items(expect(list, 0x30).bytes);
    }
  }
  return [];
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: bytes.length / 2 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  return words.map((word) => word.toString(16)).join(':');
}
