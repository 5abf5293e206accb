/**
 * Which names point to which manifests: one small file per name, replaced whole, so that processes need no lock between
 * them. A name is a full reference by tag or by digest (`docker.io/library/nginx:1`, `…@sha256:…`).
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from './errors.ts';
import { listDirectory, writeWhole } from './files.ts';
import { type Descriptor, isDigest } from './spec.ts';

export interface NamedImage {
  name: string;
  /** The manifest or index that the registry gave for the name. */
  target: Descriptor;
}

export class Names {
  readonly #directory: string;
  readonly #temporary: string;

  private constructor(directory: string, temporary: string) {
    this.#directory = directory;
    this.#temporary = temporary;
  }

  static async open(root: string, temporary: string): Promise<Names> {
    const directory = path.join(root, 'names');
    await mkdir(directory, { recursive: true });
    return new Names(directory, temporary);
  }

  #fileOf(name: string): string {
    return path.join(this.#directory, `${createHash('sha256').update(name).digest('hex')}.json`);
  }

  /** Durable once resolved. */
  async put(name: string, target: Descriptor): Promise<void> {
    await writeWhole(this.#fileOf(name), `${JSON.stringify({ name, target })}\n`, this.#temporary);
  }

  async get(name: string): Promise<NamedImage | undefined> {
    return await read(this.#fileOf(name));
  }

  async remove(name: string): Promise<void> {
    await rm(this.#fileOf(name), { force: true });
  }

  /** In the order of the names. */
  async list(): Promise<NamedImage[]> {
    const files = (await listDirectory(this.#directory)).filter((file) => file.endsWith('.json'));
    const named = await Promise.all(files.map((file) => read(path.join(this.#directory, file))));
    return named.filter((entry) => entry !== undefined).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }
}

async function read(file: string): Promise<NamedImage | undefined> {
  try {
    const named = JSON.parse(await readFile(file, 'utf8')) as NamedImage;
    return typeof named.name === 'string' && isDigest(named.target?.digest) ? named : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
