/** Ways to keep a value from those who read the store's files. Each value is bound to its key: moved to another, it cannot be read. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

/** One provider of a configuration. What it wrote begins with `prefix`, and is told by that. */
export interface Cipher {
  readonly prefix: Buffer;
  /** Awaited before `encrypt`, when it is there. Rejects when nothing can be encrypted now. */
  ready?(): Promise<void> | undefined;
  encrypt(value: Uint8Array, key: string): Buffer;
  /** Of what follows the prefix. `outdated`: it would be written otherwise now. Throws, or rejects, when it cannot be read. */
  decrypt(value: Buffer, key: string): Decrypted | Promise<Decrypted>;
  /** Whether it can be used now: undefined, or what is wrong. */
  problem?(): string | undefined;
  close?(): void;
}

export interface Decrypted {
  readonly value: Buffer;
  readonly outdated: boolean;
}

export interface Key {
  readonly name: string;
  readonly secret: Buffer;
}

/** The first key writes; any of them reads what it wrote. */
function keyed(
  name: string,
  keys: readonly Key[],
  cipher: {
    encrypt(secret: Buffer, value: Uint8Array, aad: Buffer): Buffer;
    decrypt(secret: Buffer, value: Buffer, aad: Buffer): Buffer;
  },
): Cipher {
  const [first] = keys;
  const head = Buffer.from(`${first!.name}:`);
  return {
    prefix: Buffer.from(`k8s:enc:${name}:v1:`),
    encrypt: (value, key) => Buffer.concat([head, cipher.encrypt(first!.secret, value, Buffer.from(key))]),
    decrypt: (value, key) => {
      const colon = value.indexOf(0x3a);
      const keyName = value.toString('utf8', 0, colon);
      const own = keys.filter((one) => one.name === keyName);
      if (colon < 0 || own.length === 0)
        throw new Error(`it was encrypted with the key ${JSON.stringify(keyName)}, which is not configured`);
      let failed: unknown;
      for (const one of own)
        try {
          const clear = cipher.decrypt(one.secret, value.subarray(colon + 1), Buffer.from(key));
          return { value: clear, outdated: one !== first };
        } catch (error) {
          failed = error;
        }
      throw failed;
    },
  };
}

const nonceSize = 12;
const tagSize = 16;
const ivSize = 16;

const gcmName = (secret: Buffer) => `aes-${secret.length * 8}-gcm` as 'aes-256-gcm';
const cbcName = (secret: Buffer) => `aes-${secret.length * 8}-cbc`;

export function sealGcm(secret: Buffer, value: Uint8Array, aad: Buffer): Buffer {
  const nonce = randomBytes(nonceSize);
  const cipher = createCipheriv(gcmName(secret), secret, nonce).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

export function openGcm(secret: Buffer, value: Buffer, aad: Buffer): Buffer {
  if (value.length < nonceSize + tagSize) throw new Error('what is stored is too short');
  const decipher = createDecipheriv(gcmName(secret), secret, value.subarray(0, nonceSize), { authTagLength: tagSize });
  decipher.setAAD(aad).setAuthTag(value.subarray(value.length - tagSize));
  const clear = decipher.update(value.subarray(nonceSize, value.length - tagSize));
  return Buffer.concat([clear, decipher.final()]);
}

export function aesgcm(keys: readonly Key[]): Cipher {
  return keyed('aesgcm', keys, { encrypt: sealGcm, decrypt: openGcm });
}

/** Keeps values secret, and does not tell whether somebody changed them. */
export function aescbc(keys: readonly Key[]): Cipher {
  return keyed('aescbc', keys, {
    encrypt: (secret, value) => {
      const iv = randomBytes(ivSize);
      const cipher = createCipheriv(cbcName(secret), secret, iv);
      return Buffer.concat([iv, cipher.update(value), cipher.final()]);
    },
    decrypt: (secret, value) => {
      if (value.length < 2 * ivSize) throw new Error('what is stored is too short');
      const decipher = createDecipheriv(cbcName(secret), secret, value.subarray(0, ivSize));
      return Buffer.concat([decipher.update(value.subarray(ivSize)), decipher.final()]);
    },
  });
}

const infoSize = 32;

/** A key of its own for every value, from one seed, so that many can be written with it (HKDF-SHA256 expanded by a random info). */
export function sealSeeded(seed: Buffer, value: Uint8Array, aad: Buffer): Buffer {
  const info = randomBytes(infoSize);
  return Buffer.concat([info, sealGcm(expand(seed, info), value, aad)]);
}

export function openSeeded(seed: Buffer, value: Buffer, aad: Buffer): Buffer {
  if (value.length < infoSize) throw new Error('what is stored is too short');
  return openGcm(expand(seed, value.subarray(0, infoSize)), value.subarray(infoSize), aad);
}

function expand(seed: Buffer, info: Buffer): Buffer {
  return createHmac('sha256', seed)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
}

export const encryptedMark = Buffer.from('k8s:enc:');

/** Values as they are. */
export const identity: Cipher = {
  prefix: Buffer.alloc(0),
  encrypt: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  decrypt: (value) => {
    if (value.subarray(0, encryptedMark.length).equals(encryptedMark))
      throw new Error('it is encrypted, and none of the providers configured wrote it');
    return { value, outdated: false };
  },
};
