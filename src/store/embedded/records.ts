import { crc32 } from 'node:zlib';
import type { Version } from '../version.ts';

/** What the store's file says of one write, without its value. */
export interface StoredVersion extends Version {
  /** Bytes of the value. */
  readonly length: number;
  /** CRC-32 of the value. */
  readonly checksum: number;
}

const headBytes = 22;

/** Both tables are keyed by revision (6 bytes) and place within it (2 bytes), big-endian: in the order of writing. */
export function recordKey(version: Version): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeUIntBE(version.revision, 0, 6);
  key.writeUInt16BE(version.sub, 6);
  return key;
}

/** Created and previous revision (6 bytes each), deleted (2), length (4), checksum (4), then the key in UTF-8. */
export function encodeVersion(version: Version): Buffer {
  const record = Buffer.allocUnsafe(headBytes + Buffer.byteLength(version.key));
  record.writeUIntBE(version.createRevision, 0, 6);
  record.writeUIntBE(version.previousRevision, 6, 6);
  record.writeUInt16BE(version.deleted ? 1 : 0, 12);
  record.writeUInt32BE(version.value?.length ?? 0, 14);
  record.writeUInt32BE(version.value === undefined ? 0 : crc32(version.value), 18);
  record.write(version.key, headBytes);
  return record;
}

export function decodeVersion(key: Buffer, record: Buffer): StoredVersion {
  if (key.length !== 8 || record.length < headBytes)
    throw new RangeError(`a record of ${record.length} bytes is too short`);
  return {
    key: record.toString('utf8', headBytes),
    revision: key.readUIntBE(0, 6),
    sub: key.readUInt16BE(6),
    createRevision: record.readUIntBE(0, 6),
    previousRevision: record.readUIntBE(6, 6),
    deleted: record.readUInt16BE(12) === 1,
    length: record.readUInt32BE(14),
    checksum: record.readUInt32BE(18),
    previous: undefined,
    value: undefined,
  };
}

/** Whether the value is what was written. */
export function isIntact(version: StoredVersion, value: Uint8Array | undefined): boolean {
  if (version.deleted) return true;
  return value !== undefined && value.length === version.length && crc32(value) === version.checksum;
}
