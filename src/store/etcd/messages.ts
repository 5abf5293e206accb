/** What is said to etcd (`etcdserverpb`, version 3), and what it answers: the fields that this driver uses. */
import type { Compare, Delete, Entry, Put } from '../store.ts';
import { WireReader as Reader, WireWriter as Writer } from '../../machinery/index.ts';

export interface Header {
  revision: number;
}

export interface RangeQuestion {
  key: Uint8Array;
  /** Absent: that key only. */
  rangeEnd?: Uint8Array;
  /** 0: all. */
  limit?: number;
  /** 0: now. */
  revision?: number;
  countOnly?: boolean;
  keysOnly?: boolean;
}

/** Without its key's prefix taken off. */
export interface KeyValue extends Omit<Entry, 'key'> {
  key: Uint8Array;
}

export interface RangeAnswer extends Header {
  entries: KeyValue[];
  /** Of the whole range, whatever the limit. */
  count: number;
}

export interface TxnQuestion {
  compare: readonly (Omit<Compare, 'key'> & { key: Uint8Array })[];
  writes: readonly { key: Uint8Array; write: Put | Delete }[];
  /** Read when a comparison fails. */
  otherwise: readonly Uint8Array[];
}

export interface TxnAnswer extends Header {
  succeeded: boolean;
  /** Of every key of `otherwise`, when it did not succeed. */
  entries: (KeyValue | undefined)[];
}

export interface WatchQuestion {
  key: Uint8Array;
  rangeEnd: Uint8Array;
  fromRevision: number;
}

export interface WireEvent {
  deleted: boolean;
  entry: KeyValue;
  /** What it replaced: when that was created and written; zeros: nothing. */
  previous: { createRevision: number; modRevision: number };
}

export interface WatchAnswer extends Header {
  created: boolean;
  canceled: boolean;
  /** Not zero: why it was cancelled. */
  compactRevision: number;
  cancelReason: string;
  events: WireEvent[];
}

export function encodeRange(question: RangeQuestion): Buffer {
  return rangeWriter(question).done();
}

function rangeWriter({ key, rangeEnd, limit = 0, revision = 0, countOnly, keysOnly }: RangeQuestion): Writer {
  const writer = new Writer().bytes(1, key);
  if (rangeEnd !== undefined) writer.bytes(2, rangeEnd);
  return writer
    .int(3, limit)
    .int(4, revision)
    .bool(8, keysOnly === true)
    .bool(9, countOnly === true);
}

const equal = 0;
const modRevisionTarget = 2;

export function encodeTxn({ compare, writes, otherwise }: TxnQuestion): Buffer {
  const writer = new Writer();
  for (const { key, modRevision } of compare)
    writer.message(1, new Writer().int(1, equal).int(2, modRevisionTarget).bytes(3, key).always(6, modRevision));
  for (const { key, write } of writes) {
    const op = new Writer();
    if ('delete' in write) op.message(3, new Writer().bytes(1, key));
    else op.message(2, new Writer().bytes(1, key).bytes(2, write.value));
    writer.message(2, op);
  }
  for (const key of otherwise) writer.message(3, new Writer().message(1, rangeWriter({ key })));
  return writer.done();
}

export function encodeCompaction(revision: number): Buffer {
  return new Writer().int(1, revision).done();
}

export function encodeWatch({ key, rangeEnd, fromRevision }: WatchQuestion): Buffer {
  const create = new Writer().bytes(1, key).bytes(2, rangeEnd).int(3, fromRevision).bool(6, true);
  return new Writer().message(1, create).done();
}

export function decodeRange(bytes: Uint8Array): RangeAnswer {
  return readRange(new Reader(bytes));
}

function readRange(reader: Reader): RangeAnswer {
  const answer: RangeAnswer = { revision: 0, entries: [], count: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.revision = readHeader(reader.message());
    else if (field === 2) answer.entries.push(readKeyValue(reader.message()));
    else if (field === 4) answer.count = reader.int();
    else reader.skip();
  }
  return answer;
}

export function decodeTxn(bytes: Uint8Array): TxnAnswer {
  const reader = new Reader(bytes);
  const answer: TxnAnswer = { revision: 0, succeeded: false, entries: [] };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.revision = readHeader(reader.message());
    else if (field === 2) answer.succeeded = reader.int() !== 0;
    else if (field === 3) answer.entries.push(readResponse(reader.message()));
    else reader.skip();
  }
  return answer;
}

function readResponse(reader: Reader): KeyValue | undefined {
  let found: KeyValue | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) found = readRange(reader.message()).entries[0];
    else reader.skip();
  }
  return found;
}

export function decodeHeader(bytes: Uint8Array): Header {
  const reader = new Reader(bytes);
  let revision = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = readHeader(reader.message());
    else reader.skip();
  }
  return { revision };
}

export function decodeWatch(bytes: Uint8Array): WatchAnswer {
  const reader = new Reader(bytes);
  const answer: WatchAnswer = {
    revision: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    events: [],
  };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) answer.revision = readHeader(reader.message());
    else if (field === 3) answer.created = reader.int() !== 0;
    else if (field === 4) answer.canceled = reader.int() !== 0;
    else if (field === 5) answer.compactRevision = reader.int();
    else if (field === 6) answer.cancelReason = reader.text();
    else if (field === 11) answer.events.push(readEvent(reader.message()));
    else reader.skip();
  }
  return answer;
}

function readHeader(reader: Reader): number {
  let revision = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 3) revision = reader.int();
    else reader.skip();
  }
  return revision;
}

const nothing = new Uint8Array();

function readKeyValue(reader: Reader): KeyValue {
  const entry: KeyValue = { key: nothing, value: nothing, createRevision: 0, modRevision: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) entry.key = reader.bytes();
    else if (field === 2) entry.createRevision = reader.int();
    else if (field === 3) entry.modRevision = reader.int();
    else if (field === 5) entry.value = reader.bytes();
    else reader.skip();
  }
  return entry;
}

function readEvent(reader: Reader): WireEvent {
  let deleted = false;
  let entry: KeyValue | undefined;
  let previous: WireEvent['previous'] = { createRevision: 0, modRevision: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) deleted = reader.int() === 1;
    else if (field === 2) entry = readKeyValue(reader.message());
    else if (field === 3) previous = readKeyValue(reader.message());
    else reader.skip();
  }
  return { deleted, entry: entry!, previous };
}
