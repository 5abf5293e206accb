/** One write of one key: what the index, the history and the log all speak of. */
export interface Version {
  readonly key: string;
  readonly revision: number;
  /** The place of this write within its transaction, from 0. */
  readonly sub: number;
  /** The revision that created the key; on a deletion, of the key it ended. */
  readonly createRevision: number;
  readonly deleted: boolean;
  /** The revision of the write that this one replaced, or 0. */
  readonly previousRevision: number;
  /** What this write replaced, as long as it can still be read. */
  previous: Version | undefined;
  /** Present until it is durable, and afterwards in drivers that keep values in memory. */
  value: Uint8Array | undefined;
}

/** The write that a reader at `revision` sees, if any: possibly a deletion. */
export function versionAt(latest: Version | undefined, revision: number): Version | undefined {
  let version = latest;
  while (version !== undefined && version.revision > revision) version = version.previous;
  return version;
}

/** Orders versions as they were written. */
export function isBefore(a: Version, b: Version): boolean {
  return a.revision < b.revision || (a.revision === b.revision && a.sub < b.sub);
}
