/**
 * KMS v2: the key that encrypts is itself encrypted by another process, which speaks `v2.KeyManagementService` on a unix socket and alone
 * holds the key for that. One seed serves many values; a new one is made when the process has a new key of its own, and once an hour.
 */
import { Client, credentials } from '@grpc/grpc-js';
import { randomBytes } from 'node:crypto';
import { type Clock, type Random, WireReader, WireWriter } from '../../machinery/index.ts';
import { type Cipher, type Decrypted, openGcm, openSeeded, sealSeeded } from './ciphers.ts';

export interface KmsOptions {
  readonly name: string;
  /** `unix:///…` or `unix:@…`. */
  readonly endpoint: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly random: Random;
}

const seedLifetime = 3600_000;
/** How often its health and key are asked for, at most, in milliseconds. */
const statusEvery = 10_000;
const seedsKept = 1_000;
const seeded = 1;

interface Seed {
  readonly secret: Buffer;
  readonly keyId: string;
  /** As the other process gave it. */
  readonly encrypted: Buffer;
  readonly annotations: ReadonlyMap<string, Buffer>;
  readonly made: number;
}

export function kms(options: KmsOptions): Cipher {
  return new Kms(options);
}

class Kms implements Cipher {
  readonly prefix: Buffer;
  readonly #options: KmsOptions;
  readonly #client: Client;
  readonly #seeds = new Map<string, Buffer>();
  #seed: Seed | undefined;
  #checked = Number.NEGATIVE_INFINITY;
  #preparing: Promise<void> | undefined;
  #problem: string | undefined;

  constructor(options: KmsOptions) {
    this.#options = options;
    this.prefix = Buffer.from(`k8s:enc:kms:v2:${options.name}:`);
    const address = options.endpoint.replace(/^unix:\/\/\/?/, 'unix:/').replace(/^unix:\/@/, 'unix-abstract:');
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.enable_retries': 0 });
  }

  ready(): Promise<void> | undefined {
    if (this.#seed !== undefined && this.#options.clock.monotonic() - this.#checked < statusEvery) return undefined;
    this.#preparing ??= this.#prepare().finally(() => {
      this.#preparing = undefined;
    });
    return this.#preparing;
  }

  problem(): string | undefined {
    return this.#problem && `kms ${this.#options.name}: ${this.#problem}`;
  }

  encrypt(value: Uint8Array, key: string): Buffer {
    const seed = this.#seed!;
    const writer = new WireWriter()
      .bytes(1, sealSeeded(seed.secret, value, Buffer.from(key)))
      .bytes(2, Buffer.from(seed.keyId))
      .bytes(3, seed.encrypted);
    for (const [name, annotation] of seed.annotations)
      writer.message(4, new WireWriter().bytes(1, Buffer.from(name)).bytes(2, annotation));
    return writer.int(5, seeded).done();
  }

  decrypt(value: Buffer, key: string): Decrypted | Promise<Decrypted> {
    const stored = decodeStored(value);
    const id = `${stored.keyId}\n${stored.encrypted.toString('base64')}`;
    const open = (secret: Buffer): Decrypted => {
      const opened = stored.type === seeded ? openSeeded : openGcm;
      const clear = opened(secret, stored.data, Buffer.from(key));
      return { value: clear, outdated: stored.keyId !== this.#seed?.keyId };
    };
    const known = this.#seeds.get(id);
    if (known !== undefined) return open(known);
    return this.#decryptSeed(stored).then((secret) => {
      this.#remember(id, secret);
      return open(secret);
    });
  }

  close(): void {
    this.#client.close();
  }

  #remember(id: string, secret: Buffer): void {
    if (this.#seeds.size >= seedsKept) this.#seeds.clear();
    this.#seeds.set(id, secret);
  }

  /** Asks how it is, and makes a seed when there is none that is still good. */
  async #prepare(): Promise<void> {
    const { clock } = this.#options;
    try {
      const { healthz, keyId } = decodeStatus(await this.#ask('Status', Buffer.alloc(0)));
      if (healthz !== 'ok') throw new Error(`it says that it is not well: ${healthz.slice(0, 200)}`);
      const now = clock.monotonic();
      if (this.#seed?.keyId !== keyId || now - this.#seed.made > seedLifetime) await this.#renew(now);
      this.#checked = now;
      this.#problem = undefined;
    } catch (error) {
      this.#problem = (error as Error).message;
      // what it encrypted before can be used for its time, whether or not it answers
      const usable = this.#seed !== undefined && clock.monotonic() - this.#seed.made <= seedLifetime;
      if (!usable) throw new Error(`kms ${this.#options.name}: ${this.#problem}`, { cause: error });
    }
  }

  async #renew(made: number): Promise<void> {
    const secret = randomBytes(32);
    const request = new WireWriter().bytes(1, secret).bytes(2, this.#uid());
    const { encrypted, keyId, annotations } = decodeEncrypted(await this.#ask('Encrypt', request.done()));
    if (encrypted.length === 0 || encrypted.length > 1024) throw new Error('the ciphertext must have 1 to 1024 bytes');
    if (keyId === '' || Buffer.byteLength(keyId) > 1024) throw new Error('the key_id must have 1 to 1024 bytes');
    this.#seed = { secret, keyId, encrypted, annotations, made };
    this.#remember(`${keyId}\n${encrypted.toString('base64')}`, secret);
  }

  async #decryptSeed({ encrypted, keyId, annotations }: Stored): Promise<Buffer> {
    const request = new WireWriter().bytes(1, encrypted).bytes(2, this.#uid()).bytes(3, Buffer.from(keyId));
    for (const [name, annotation] of annotations)
      request.message(4, new WireWriter().bytes(1, Buffer.from(name)).bytes(2, annotation));
    const reader = new WireReader(await this.#ask('Decrypt', request.done()));
    let secret: Buffer | undefined;
    for (let field = reader.next(); field !== 0; field = reader.next())
      if (field === 1) secret = Buffer.from(reader.bytes());
      else reader.skip();
    if (secret === undefined) throw new Error(`kms ${this.#options.name}: it answered without a key`);
    return secret;
  }

  #uid(): Buffer {
    return Buffer.from(this.#options.random.uuid());
  }

  #ask(method: string, question: Buffer): Promise<Buffer> {
    const same = (bytes: Buffer) => bytes;
    const deadline = this.#options.clock.now() + this.#options.timeout;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/v2.KeyManagementService/${method}`,
        same,
        same,
        question,
        { deadline },
        (error, answer) => (error === null ? resolve(answer!) : reject(new Error(`${method}: ${error.details}`))),
      );
    });
  }
}

interface Stored {
  data: Buffer;
  keyId: string;
  encrypted: Buffer;
  annotations: Map<string, Buffer>;
  type: number;
}

function decodeStored(bytes: Buffer): Stored {
  const stored: Stored = {
    data: Buffer.alloc(0),
    keyId: '',
    encrypted: Buffer.alloc(0),
    annotations: new Map(),
    type: 0,
  };
  const reader = new WireReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) stored.data = Buffer.from(reader.bytes());
    else if (field === 2) stored.keyId = reader.text();
    else if (field === 3) stored.encrypted = Buffer.from(reader.bytes());
    else if (field === 4) readAnnotation(reader.message(), stored.annotations);
    else if (field === 5) stored.type = reader.int();
    else reader.skip();
  }
  return stored;
}

function decodeStatus(bytes: Buffer): { healthz: string; keyId: string } {
  const status = { healthz: '', keyId: '' };
  const reader = new WireReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) status.healthz = reader.text();
    else if (field === 3) status.keyId = reader.text();
    else reader.skip();
  }
  return status;
}

function decodeEncrypted(bytes: Buffer) {
  const answer = { encrypted: Buffer.alloc(0), keyId: '', annotations: new Map<string, Buffer>() };
  const reader = new WireReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.encrypted = Buffer.from(reader.bytes());
    else if (field === 2) answer.keyId = reader.text();
    else if (field === 3) readAnnotation(reader.message(), answer.annotations);
    else reader.skip();
  }
  return answer;
}

function readAnnotation(reader: WireReader, into: Map<string, Buffer>): void {
  let name = '';
  let value = Buffer.alloc(0);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.text();
    else if (field === 2) value = Buffer.from(reader.bytes());
    else reader.skip();
  }
  into.set(name, value);
}
