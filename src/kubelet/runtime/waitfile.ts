/** Waiting for files that another program writes, by the kernel's word rather than by asking again and again. */
import { type FSWatcher, watch } from 'node:fs';
import { readText } from './procfs.ts';

/** Calls for each name in the directory that was made or changed. Returns how to stop. */
export function watchDirectory(directory: string, call: (name: string) => void): () => void {
  const watcher: FSWatcher = watch(directory, { persistent: false }, (_, name) => {
    if (name !== null) call(name);
  });
  watcher.on('error', () => undefined);
  return () => watcher.close();
}

/**
 * Resolves with the first answer of `look`, which is asked now and at every change in the directories. Rejects with the
 * signal's reason.
 */
export function waitInDirectories<T>(
  directories: string[],
  look: () => T | undefined,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const end = (call: () => void) => {
      for (const stop of stops.splice(0)) stop();
      signal.removeEventListener('abort', aborted);
      call();
    };
    const aborted = () => end(() => reject(signal.reason as Error));
    const check = () => {
      const found = look();
      if (found !== undefined) end(() => resolve(found));
      return found !== undefined;
    };
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener('abort', aborted);
    for (const directory of directories) stops.push(watchDirectory(directory, check));
    check();
  });
}

/** The whole number in a file; undefined while it is missing or still empty. */
export function readNumber(path: string): number | undefined {
  const text = readText(path)?.trim();
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
