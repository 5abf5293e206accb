/**
 * The cluster's own certificates: a certificate authority, and what it signs for servers and clients. ECDSA on P-256; keys never leave the
 * process that makes them except through the file that its caller writes.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { bits, boolean, implicit, integer, octets, oid, sequence, set, tagged, time, utf8 } from './der.ts';
import { keyUsageBits, purposesOf } from './usages.ts';

/** Both PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

export interface CertificateRequest {
  commonName: string;
  /** Become a client's groups. */
  organizations?: readonly string[];
  /** DNS names and IP addresses that a server answers under. */
  hosts?: readonly string[];
  uses: readonly ('server' | 'client')[];
  /** In place of `uses`: as a CertificateSigningRequest names them. */
  usages?: readonly string[];
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
}

const day = 24 * 3600 * 1000;

export function createAuthority(commonName: string, now: number): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = nameOf(commonName, []);
  const keyId = keyIdOf(publicKey);
  const extensions = [
    extension('2.5.29.19', true, sequence(boolean(true))),
    // keyCertSign, cRLSign, digitalSignature
    extension('2.5.29.15', true, bits(Buffer.from([0xa6]), 1)),
    extension('2.5.29.14', false, octets(keyId)),
  ];
  const certificate = signed(privateKey, name, name, publicKey, now - day, now + 3650 * day, extensions);
  return { certificate, key: pem(privateKey) };
}

/** A fresh key and its certificate, signed by the authority. */
export function issue(authority: KeyPair, request: CertificateRequest): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { certificate: certify(authority, publicKey, request), key: pem(privateKey) };
}

/** A certificate for somebody else's key. */
export function certify(authority: KeyPair, publicKey: KeyObject, request: CertificateRequest): string {
  const issuer = new X509Certificate(authority.certificate);
  const usages = request.usages ?? [
    'digital signature',
    'key encipherment',
    ...request.uses.map((use) => `${use} auth`),
  ];
  const uses = purposesOf(usages);
  const keyUsage = keyUsageBits(usages);
  const extensions = [
    extension('2.5.29.19', true, sequence()),
    ...(keyUsage === undefined ? [] : [extension('2.5.29.15', true, keyUsage)]),
    ...(uses.length === 0 ? [] : [extension('2.5.29.37', false, sequence(...uses))]),
    // an authority that was not made here names its key in another way: then it is told by its name alone
    ...(issuer.publicKey.asymmetricKeyType === 'rsa'
      ? []
      : [extension('2.5.29.35', false, sequence(implicit(0, keyIdOf(issuer.publicKey))))]),
  ];
  if (request.hosts !== undefined && request.hosts.length > 0)
    extensions.push(extension('2.5.29.17', false, sequence(...request.hosts.map(hostName))));
  const issuerName = nameOf(/CN=(.*)/.exec(issuer.subject)?.[1] ?? '', []);
  const subject = nameOf(request.commonName, request.organizations ?? []);
  const key = createPrivateKey(authority.key);
  return signed(key, issuerName, subject, publicKey, request.notBefore, request.notAfter, extensions);
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
/** The algorithm has parameters, which are null. */
const rsaWithSha256 = sequence(oid('1.2.840.113549.1.1.11'), Buffer.from([5, 0]));

function signed(
  key: KeyObject,
  issuer: Buffer,
  subject: Buffer,
  publicKey: KeyObject,
  notBefore: number,
  notAfter: number,
  extensions: Buffer[],
): string {
  const algorithm = key.asymmetricKeyType === 'rsa' ? rsaWithSha256 : ecdsaWithSha256;
  const serial = randomBytes(16);
  serial[0]! &= 0x7f;
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    issuer,
    sequence(time(notBefore), time(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...extensions)),
  );
  const certificate = sequence(body, algorithm, bits(sign('sha256', body, key)));
  const lines = certificate.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value));
}

function nameOf(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (id: string, value: string) => set(sequence(oid(id), utf8(value)));
  return sequence(...organizations.map((one) => attribute('2.5.4.10', one)), attribute('2.5.4.3', commonName));
}

function hostName(host: string): Buffer {
  if (isIPv4(host)) return implicit(7, Buffer.from(host.split('.').map(Number)));
  if (isIPv6(host)) return implicit(7, ipv6Bytes(host));
  return implicit(2, Buffer.from(host));
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const words = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff]));
}

function keyIdOf(publicKey: KeyObject): Buffer {
  const { x, y } = publicKey.export({ format: 'jwk' });
  // any stable name of the key will do (RFC 5280, 4.2.1.2): its first coordinate
  return Buffer.from(x ?? y ?? '', 'base64url').subarray(0, 20);
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
