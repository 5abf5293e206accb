/** What a driver keeps on disk: small JSON files, replaced whole so that a crash never leaves half of one. */
import { mkdir, open, readFile, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContainerConfig, SandboxConfig } from './runtime.ts';

export interface SandboxRecord {
  id: string;
  config: SandboxConfig;
  state: 'Ready' | 'NotReady';
  createdAt: number;
  ips: string[];
  netns?: string;
  /** The boot it was made in: after another one nothing of it runs. */
  boot: string;
  /** Holds the process namespace that its containers share. */
  holderPid?: number;
}

export interface ContainerRecord {
  id: string;
  sandboxId: string;
  config: ContainerConfig;
  imageId: string;
  createdAt: number;
  /** 0 until it was started. */
  startedAt: number;
  boot: string;
  /** Which program holds its exit code and output. */
  holder: 'conmon' | 'sh';
  pid?: number;
  /** Start time of the process in clock ticks since boot: tells it from a later one of the same number. */
  pidStart?: string;
  /** Set before its program is launched: a crash in between must not launch it twice. */
  launched?: boolean;
  exit?: { code: number; finishedAt: number; reason: string; message: string };
}

/** Replaces a file as a whole. Not flushed to disk: it outlives this process, and after a power cut nothing runs anyway. */
export async function writeRecord(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(value));
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** The records `<directory>/<id>/<name>`; folders without one, left by a crash, are told to `broken`. */
export async function readRecords<T>(directory: string, name: string, broken: (id: string) => void): Promise<T[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const records: T[] = [];
  for (const id of await readdir(directory)) {
    try {
      records.push(JSON.parse(await readFile(join(directory, id, name), 'utf8')) as T);
    } catch {
      broken(id);
    }
  }
  return records;
}
