/** The key that service account tokens are signed with, and how they look (ES256). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export interface Keys {
  readonly private: KeyObject;
  readonly public: KeyObject;
  readonly id: string;
}

/** PEM of a P-256 key. */
export function keysOf(pem: string): Keys {
  const key = createPrivateKey(pem);
  const publicKey = createPublicKey(key);
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { private: key, public: publicKey, id };
}

export function signed({ private: key, id }: Keys, claims: object): string {
  const signingInput = `${encode({ alg: 'ES256', kid: id })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signingInput), { key, dsaEncoding: 'ieee-p1363' });
  return `${signingInput}.${signature.toString('base64url')}`;
}

/** Whether the key has signed it. */
export function isSigned(keys: Keys, token: string): boolean {
  const [header = '', claims = '', signature = ''] = token.split('.');
  return (
    (decodePart(header) as { alg?: string } | undefined)?.alg === 'ES256' &&
    verify(
      'sha256',
      Buffer.from(`${header}.${claims}`),
      { key: keys.public, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    )
  );
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}
