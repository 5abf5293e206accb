/** The 512-byte header of tar (POSIX ustar, with what GNU and pax add), both ways. Source: POSIX.1-2017 pax, GNU tar's manual. */

export type EntryType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface TarEntry {
  name: string;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content; 0 for all but files. */
  size: number;
  /** Seconds since the epoch, possibly with a fraction. */
  mtime: number;
  /** Target of a link or symlink; otherwise ''. */
  linkname: string;
  major: number;
  minor: number;
  /** Extended attributes, as bytes. */
  xattrs: Map<string, Buffer>;
}

export const blockSize = 512;
const zeros = Buffer.alloc(blockSize);

export interface RawHeader extends Omit<TarEntry, 'type'> {
  typeflag: string;
}

/** A header block, or undefined for the zero block that ends an archive. */
export function readHeader(block: Buffer): RawHeader | undefined {
  if (block.equals(zeros)) return undefined;
  if (!isChecked(block)) throw new Error('the tar header has a wrong checksum: the archive is damaged, or is no tar');
  const ustar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = ustar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    typeflag: block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0),
    mode: octal(block, 100, 8) & 0o7777,
    uid: octal(block, 108, 8),
    gid: octal(block, 116, 8),
    size: octal(block, 124, 12),
    mtime: octal(block, 136, 12),
    linkname: text(block, 157, 100),
    major: octal(block, 329, 8),
    minor: octal(block, 337, 8),
    xattrs: new Map(),
  };
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}

/** A number in octal digits, or, with the high bit set, in base 256. */
function octal(block: Buffer, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) return base256(block.subarray(at, at + length));
  const digits = block
    .toString('latin1', at, at + length)
    .replaceAll('\0', ' ')
    .trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits))
    throw new Error(`the tar header holds ${JSON.stringify(digits)} where a number is expected`);
  return Number.parseInt(digits, 8);
}

function base256(field: Buffer): number {
  const negative = field[0] === 0xff;
  let value = negative ? -1 : (field[0] ?? 0) & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw new Error('the tar header holds a number that is too large');
  return value;
}

function isChecked(block: Buffer): boolean {
  const told = block.toString('latin1', 148, 156).replaceAll('\0', ' ').trim();
  return Number.parseInt(told, 8) === checksum(block);
}

/** The sum of all bytes, the checksum's own field taken as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 32;
  for (let at = 0; at < blockSize; at += 1) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}

const flags: Record<EntryType, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** The blocks that announce an entry: its header, after a pax header when something does not fit. The same entry gives the same bytes. */
export function writeHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name;
  const records = paxRecords(entry, name);
  const block = plainHeader(entry, name, flags[entry.type]);
  if (records.length === 0) return block;
  const body = Buffer.concat(records);
  const announced = plainHeader(
    { ...entry, mode: 0o644, uid: 0, gid: 0, size: body.length, linkname: '' },
    'PaxHeader',
    'x',
  );
  return Buffer.concat([announced, body, padding(body.length), block]);
}

/** The zeros that fill the last block of `size` bytes. */
export function padding(size: number): Buffer {
  return zeros.subarray(0, (blockSize - (size % blockSize)) % blockSize);
}

function paxRecords(entry: TarEntry, name: string): Buffer[] {
  const records: Buffer[] = [];
  if (!fits(name, 100)) records.push(paxRecord('path', Buffer.from(name)));
  if (!fits(entry.linkname, 100)) records.push(paxRecord('linkpath', Buffer.from(entry.linkname)));
  if (entry.size >= 8 ** 11) records.push(paxRecord('size', Buffer.from(String(entry.size))));
  if (entry.uid >= 8 ** 7) records.push(paxRecord('uid', Buffer.from(String(entry.uid))));
  if (entry.gid >= 8 ** 7) records.push(paxRecord('gid', Buffer.from(String(entry.gid))));
  for (const [key, value] of [...entry.xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  return records;
}

function fits(value: string, length: number): boolean {
  return Buffer.byteLength(value) === value.length && value.length <= length;
}

/** `<length> key=value\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function plainHeader(entry: TarEntry, name: string, typeflag: string): Buffer {
  const block = Buffer.alloc(blockSize);
  const number = (value: number, at: number, length: number) => {
    const digits = (value < 8 ** (length - 1) ? Math.max(0, Math.floor(value)) : 0).toString(8);
    block.write(digits.padStart(length - 1, '0'), at, 'latin1');
  };
  Buffer.from(name).copy(block, 0, 0, 100);
  number(entry.mode & 0o7777, 100, 8);
  number(entry.uid, 108, 8);
  number(entry.gid, 116, 8);
  number(entry.size, 124, 12);
  number(entry.mtime, 136, 12);
  block.write(typeflag, 156, 'latin1');
  Buffer.from(entry.linkname).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  number(entry.major, 329, 8);
  number(entry.minor, 337, 8);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
