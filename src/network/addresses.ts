/**
 * Which pod has which address of a node's range. Kept in a small file, so that a restart finds them again; an address
 * that was given back is the last to be given out again, so that nobody who remembers it meets a stranger soon.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Cidr, contains, formatCidr, formatIPv4, sizeOf, tryParseIPv4 } from './ipv4.ts';

export interface Addresses {
  /**
   * The owner's address; a new one when it has none. Throws when the range is used up. Nobody may be told of the address
   * before `saved` resolves (it is on disk then); making the interface can go on meanwhile.
   */
  take(owner: string): { address: string; saved: Promise<void> };
  /** Gives it back; nothing happens when the owner has none. */
  free(owner: string): Promise<void>;
  get(owner: string): string | undefined;
  owners(): string[];
}

interface Saved {
  range: string;
  taken: Record<string, string>;
  /** Given back, oldest first. */
  freed: string[];
}

/**
 * `reserved` addresses at the start of the range are never given out, nor is its last (broadcast). A file that is not
 * what we wrote (a power cut can leave that; no pod survives one) is told to `damaged`, and begun anew.
 */
export function fileAddresses(
  file: string,
  range: Cidr,
  reserved: number,
  damaged: (file: string) => void = () => {},
): Addresses {
  return new FileAddresses(file, range, reserved, damaged);
}

class FileAddresses implements Addresses {
  readonly #file: string;
  readonly #range: Cidr;
  readonly #taken = new Map<string, number>();
  readonly #inUse = new Set<number>();
  /** Given back, longest ago first. */
  readonly #freed = new Set<number>();
  #fresh: number;
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(file: string, range: Cidr, reserved: number, damaged: (file: string) => void) {
    this.#file = file;
    this.#range = range;
    this.#fresh = range.base + reserved;
    this.#load(readSaved(file, damaged));
  }

  take(owner: string): { address: string; saved: Promise<void> } {
    const known = this.#taken.get(owner);
    if (known !== undefined) return { address: formatIPv4(known), saved: this.#next ?? this.#saving };
    const address = this.#choose();
    if (address === undefined) {
      throw new Error(
        `no address is left in ${formatCidr(this.#range)} for ${owner} (${this.#taken.size} in use); delete pods or give the node a larger podCIDR`,
      );
    }
    this.#freed.delete(address);
    this.#inUse.add(address);
    this.#taken.set(owner, address);
    return { address: formatIPv4(address), saved: this.#save() };
  }

  async free(owner: string): Promise<void> {
    const address = this.#taken.get(owner);
    if (address === undefined) return;
    this.#taken.delete(owner);
    this.#inUse.delete(address);
    if (contains(this.#range, address)) this.#freed.add(address);
    await this.#save();
  }

  get(owner: string): string | undefined {
    const address = this.#taken.get(owner);
    return address === undefined ? undefined : formatIPv4(address);
  }

  owners(): string[] {
    return [...this.#taken.keys()];
  }

  /** What was never used first; then what was given back longest ago. */
  #choose(): number | undefined {
    const last = this.#range.base + sizeOf(this.#range) - 1;
    while (this.#fresh < last && (this.#inUse.has(this.#fresh) || this.#freed.has(this.#fresh))) this.#fresh++;
    return this.#fresh < last ? this.#fresh : this.#freed.values().next().value;
  }

  #load(saved: Saved | undefined): void {
    for (const [owner, text] of Object.entries(saved?.taken ?? {})) {
      const address = tryParseIPv4(text);
      if (address === undefined) continue;
      this.#inUse.add(address);
      this.#taken.set(owner, address);
    }
    for (const text of saved?.freed ?? []) {
      const address = tryParseIPv4(text);
      if (address !== undefined && contains(this.#range, address) && !this.#inUse.has(address))
        this.#freed.add(address);
    }
  }

  /** Writes that wait for a running one share the next. */
  #save(): Promise<void> {
    this.#next ??= this.#saving.then(() => {
      this.#next = undefined;
      const write = this.#write();
      this.#saving = write.catch(() => {});
      return write;
    });
    return this.#next;
  }

  async #write(): Promise<void> {
    const saved: Saved = {
      range: formatCidr(this.#range),
      taken: Object.fromEntries([...this.#taken].map(([owner, address]) => [owner, formatIPv4(address)])),
      freed: [...this.#freed].map(formatIPv4),
    };
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    await writeFile(`${this.#file}.new`, JSON.stringify(saved), { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

function readSaved(file: string, damaged: (file: string) => void): Saved | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Saved;
  } catch {
    damaged(file);
    return undefined;
  }
}
