/** Which sandbox holds which port of the host. Kept in a file, for the restart; written only when pods have any. */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostPort } from './podnetwork.ts';

export class HostPorts {
  readonly #file: string;
  readonly #bySandbox: Map<string, HostPort[]>;
  #saving: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
    this.#bySandbox = new Map(Object.entries(read(file)));
  }

  get(sandboxId: string): HostPort[] {
    return this.#bySandbox.get(sandboxId) ?? [];
  }

  /** Throws when another sandbox holds one of the ports. */
  async set(sandboxId: string, hostPorts: HostPort[]): Promise<void> {
    if (hostPorts.length === 0) return;
    for (const [other, held] of this.#bySandbox) {
      const clash =
        other === sandboxId ? undefined : held.find((port) => hostPorts.some((wanted) => same(port, wanted)));
      if (clash) throw new Error(`hostPort ${clash.hostPort}/${clash.protocol} is held by sandbox ${other}`);
    }
    this.#bySandbox.set(sandboxId, hostPorts);
    await this.#save();
  }

  async delete(sandboxId: string): Promise<void> {
    if (this.#bySandbox.delete(sandboxId)) await this.#save();
  }

  #save(): Promise<void> {
    const write = this.#saving.then(async () => {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      await writeFile(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#bySandbox)), { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    });
    this.#saving = write.catch(() => {});
    return write;
  }
}

const any = (ip: string) => ip === '' || ip === '0.0.0.0';

function same(a: HostPort, b: HostPort): boolean {
  const addresses = a.hostIP === b.hostIP || any(a.hostIP) || any(b.hostIP);
  return a.hostPort === b.hostPort && a.protocol === b.protocol && addresses;
}

function read(file: string): Record<string, HostPort[]> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, HostPort[]>;
  } catch {
    // Absent, or cut short by a power failure that no pod survived either.
    return {};
  }
}
