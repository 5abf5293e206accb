import { closeSync, existsSync, fsyncSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreVersionError } from '../store.ts';

/** Raise it when an older program could not read what this one writes, and teach this one to read the older. */
export const formatVersion = 1;

export const dataFile = 'data.mdb';

/**
 * The folder says by itself, in a file that any version can read, which format its data has. It is written before the data
 * and checked before the data is touched.
 */
export function checkFormat(directory: string): void {
  const file = join(directory, 'format.json');
  if (!existsSync(file)) {
    if (existsSync(join(directory, dataFile))) throw new StoreCorruptError(directory, `${file} is missing`);
    writeFormat(directory, file);
    return;
  }
  const found = readFormat(directory, file);
  if (found > formatVersion) throw new StoreVersionError(directory, found, formatVersion);
}

function readFormat(directory: string, file: string): number {
  try {
    const { format } = JSON.parse(readFileSync(file, 'utf8'));
    if (Number.isSafeInteger(format) && format > 0) return format;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new StoreCorruptError(directory, `${file} does not name a format`);
}

function writeFormat(directory: string, file: string): void {
  writeFileSync(`${file}.new`, `${JSON.stringify({ format: formatVersion })}\n`, { flush: true });
  renameSync(`${file}.new`, file);
  syncDirectory(directory);
}

/** A new name in a folder is durable only once the folder is. */
export function syncDirectory(directory: string): void {
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const magic = 0xbeefc0de;
const pageHeader = 24;

/**
 * Looks at LMDB's own header, because LMDB maps the file and would end the process with a signal on a page that lies past
 * its end. A short file is made whole with empty pages first. Returns whether that was needed: then every record has to be
 * checked, since a file may also be short by rights (its last pages may be free ones).
 */
export function mendLength(directory: string): boolean {
  const path = join(directory, dataFile);
  if (!existsSync(path)) return false;
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    if (size === 0) return false;
    const needed = neededSize(directory, file);
    if (size >= needed) return false;
    ftruncateSync(file, needed);
    return true;
  } finally {
    closeSync(file);
  }
}

function neededSize(directory: string, file: number): number {
  const first = readMeta(file, 0);
  if (first === undefined) throw new StoreCorruptError(directory, `${dataFile} has no valid header`);
  const second = readMeta(file, first.pageSize);
  const newest = second !== undefined && second.transaction > first.transaction ? second : first;
  return (newest.lastPage + 1) * first.pageSize;
}

/** One of the two headers that LMDB writes in turn. */
function readMeta(file: number, offset: number) {
  const meta = Buffer.alloc(pageHeader + 136);
  if (readSync(file, meta, 0, meta.length, offset) !== meta.length) return undefined;
  if (meta.readUInt32LE(pageHeader) !== magic) return undefined;
  const pageSize = meta.readUInt32LE(pageHeader + 24);
  const lastPage = Number(meta.readBigUInt64LE(pageHeader + 120));
  const transaction = meta.readBigUInt64LE(pageHeader + 128);
  return { pageSize, lastPage, transaction };
}
