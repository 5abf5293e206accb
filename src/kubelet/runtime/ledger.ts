/** The sandboxes and containers a driver knows: in memory for reading, on disk for the time after a crash. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerRecord, type SandboxRecord, readRecords, writeRecord } from './records.ts';
import { type ContainerEvent, type ContainerStatus, RuntimeError, type SandboxStatus } from './runtime.ts';

const sandboxFile = 'sandbox.json';
const containerFile = 'container.json';

export class Ledger {
  readonly sandboxes = new Map<string, SandboxRecord>();
  readonly containers = new Map<string, ContainerRecord>();
  readonly #directory: string;
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  sandboxDirectory(id: string): string {
    return join(this.#directory, 'sandboxes', id);
  }

  containerDirectory(id: string): string {
    return join(this.#directory, 'containers', id);
  }

  /** Reads what is on disk. Folders that a crash left without a record are told, to be cleaned. */
  async load(): Promise<{ sandboxes: string[]; containers: string[] }> {
    const broken = { sandboxes: [] as string[], containers: [] as string[] };
    const { sandboxes, containers } = broken;
    for (const record of await readRecords<SandboxRecord>(this.sandboxDirectory(''), sandboxFile, (id) =>
      sandboxes.push(id),
    ))
      this.sandboxes.set(record.id, record);
    for (const record of await readRecords<ContainerRecord>(this.containerDirectory(''), containerFile, (id) =>
      containers.push(id),
    ))
      this.containers.set(record.id, record);
    return broken;
  }

  async saveSandbox(record: SandboxRecord): Promise<void> {
    await writeRecord(join(this.sandboxDirectory(record.id), sandboxFile), record);
    this.sandboxes.set(record.id, record);
  }

  async saveContainer(record: ContainerRecord): Promise<void> {
    await writeRecord(join(this.containerDirectory(record.id), containerFile), record);
    this.containers.set(record.id, record);
  }

  async dropSandbox(id: string): Promise<void> {
    await rm(this.sandboxDirectory(id), { recursive: true, force: true });
    this.sandboxes.delete(id);
  }

  async dropContainer(id: string): Promise<void> {
    const record = this.containers.get(id);
    await rm(this.containerDirectory(id), { recursive: true, force: true });
    this.containers.delete(id);
    if (record) this.emit(record, 'removed');
  }

  /** Rejects with `NotFound`. */
  sandbox(id: string): SandboxRecord {
    const record = this.sandboxes.get(id);
    if (!record) throw new RuntimeError('NotFound', `there is no sandbox ${id}`);
    return record;
  }

  /** Rejects with `NotFound`. */
  container(id: string): ContainerRecord {
    const record = this.containers.get(id);
    if (!record) throw new RuntimeError('NotFound', `there is no container ${id}`);
    return record;
  }

  /** A container whose program runs. Rejects with `RunContainerError`. */
  running(id: string): ContainerRecord {
    const record = this.container(id);
    if (isRunning(record)) return record;
    throw new RuntimeError('RunContainerError', `container ${record.config.metadata.name} is not running`);
  }

  containersOf(sandboxId: string): ContainerRecord[] {
    return [...this.containers.values()].filter((record) => record.sandboxId === sandboxId);
  }

  async setExit(record: ContainerRecord, exit: NonNullable<ContainerRecord['exit']>): Promise<void> {
    record.exit = exit;
    // On a full disk it is told all the same: the holder's own file keeps it until the record can be written.
    await this.saveContainer(record).catch(() => undefined);
    for (const call of this.#waiting.get(record.id) ?? []) call();
    this.#waiting.delete(record.id);
    this.emit(record, 'exited');
  }

  /** Resolves once the container has ended; at once when it does not run. */
  ended(id: string): Promise<void> {
    const record = this.containers.get(id);
    if (!record || record.exit || !record.launched) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]);
    });
  }

  emit(record: ContainerRecord, type: ContainerEvent['type']): void {
    const event = { sandboxId: record.sandboxId, containerId: record.id, type };
    for (const listener of this.#listeners) listener(event);
  }

  onEvent(listener: (event: ContainerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export function isRunning(record: ContainerRecord): boolean {
  return record.pid !== undefined && record.exit === undefined;
}

export function sandboxStatusOf({ id, config, state, createdAt, ips }: SandboxRecord): SandboxStatus {
  return { id, config, state, createdAt, ips };
}

export function containerStatusOf(record: ContainerRecord): ContainerStatus {
  const { id, sandboxId, config, imageId, createdAt, startedAt, exit } = record;
  return {
    id,
    sandboxId,
    metadata: config.metadata,
    labels: config.labels,
    annotations: config.annotations,
    image: config.image,
    imageId,
    state: exit ? 'Exited' : isRunning(record) ? 'Running' : record.launched ? 'Unknown' : 'Created',
    createdAt,
    startedAt,
    finishedAt: exit?.finishedAt ?? 0,
    exitCode: exit?.code ?? 0,
    reason: exit?.reason ?? '',
    message: exit?.message ?? '',
    logPath: config.logPath,
    pid: isRunning(record) ? record.pid : undefined,
  };
}
