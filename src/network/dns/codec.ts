/** DNS on the wire (RFC 1035, 2782, 6891): questions read, answers written. Names travel in lower case inside. */

export const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
export const codes = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

export interface Question {
  id: number;
  /** The second and third byte pair of the header, as it came. */
  flags: number;
  /** Labels joined by dots, lower case, no dot at the end; '' is the root. */
  name: string;
  type: number;
  class: number;
  /** Where the question ends. */
  end: number;
  /** What the client can take in a datagram, in bytes; undefined when it knows nothing of EDNS. */
  edns: number | undefined;
  /** The client wants DNSSEC records. */
  dnssec: boolean;
}

export type Rdata =
  | { type: 'A'; address: string }
  | { type: 'CNAME' | 'NS' | 'PTR'; name: string }
  | { type: 'SRV'; priority: number; weight: number; port: number; name: string }
  | { type: 'TXT'; text: string }
  | {
      type: 'SOA';
      mname: string;
      rname: string;
      serial: number;
      refresh: number;
      retry: number;
      expire: number;
      minimum: number;
    };

export interface ResourceRecord {
  name: string;
  /** Seconds. */
  ttl: number;
  data: Rdata;
}

const headerSize = 12;
const dnssecBit = 0x8000;

/** Undefined for what is not a query with one question: it deserves no answer, or only `malformed`. */
export function readQuestion(message: Buffer): Question | undefined {
  if (message.length < headerSize + 5 || (message[2]! & 0x80) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const nameEnd = skipName(message, headerSize, false);
  if (nameEnd === undefined || nameEnd + 4 > message.length) return undefined;
  const end = nameEnd + 4;
  const { edns, dnssec } = readEdns(message, end);
  return {
    id: message.readUInt16BE(0),
    flags: message.readUInt16BE(2),
    name: readLowerName(message, headerSize),
    type: message.readUInt16BE(nameEnd),
    class: message.readUInt16BE(nameEnd + 2),
    end,
    edns,
    dnssec,
  };
}

function readEdns(message: Buffer, from: number): { edns: number | undefined; dnssec: boolean } {
  const none = { edns: undefined, dnssec: false };
  const others = message.readUInt16BE(6) + message.readUInt16BE(8);
  if (others > 0 || message.readUInt16BE(10) === 0 || from + 11 > message.length) return none;
  if (message[from] !== 0 || message.readUInt16BE(from + 1) !== types.OPT) return none;
  return {
    edns: Math.max(512, message.readUInt16BE(from + 3)),
    dnssec: (message.readUInt16BE(from + 7) & dnssecBit) !== 0,
  };
}

/** Where the name ends; undefined when it is broken. */
export function skipName(message: Buffer, from: number, pointers = true): number | undefined {
  for (let at = from; at < message.length; ) {
    const length = message[at]!;
    if (length === 0) return at - from > 254 ? undefined : at + 1;
    if (length >= 0xc0 && pointers) return at + 2 <= message.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += length + 1;
  }
  return undefined;
}

const scratch = Buffer.alloc(256);

/** A name without pointers, known to be whole. One pass, no garbage but the string. */
function readLowerName(message: Buffer, from: number): string {
  let size = 0;
  for (let at = from; message[at] !== 0; ) {
    const end = at + 1 + message[at]!;
    if (size > 0) scratch[size++] = 0x2e;
    for (at++; at < end; at++) {
      const byte = message[at]!;
      scratch[size++] = byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
    }
  }
  return scratch.toString('latin1', 0, size);
}

/** A name anywhere in a message, pointers followed; undefined when it is broken. */
export function readName(message: Buffer, from: number): string | undefined {
  const labels: string[] = [];
  let at = from;
  for (let jumps = 0; jumps < 16 && at < message.length; ) {
    const length = message[at]!;
    if (length === 0) return labels.join('.').toLowerCase();
    if (length >= 0xc0) {
      if (at + 2 > message.length) return undefined;
      at = message.readUInt16BE(at) & 0x3fff;
      jumps++;
      continue;
    }
    if (length > 63 || at + 1 + length > message.length || labels.length > 127) return undefined;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return undefined;
}

export function encodeName(name: string): Buffer {
  if (name === '') return Buffer.from([0]);
  const parts: Buffer[] = [];
  for (const label of name.split('.')) {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length === 0 || bytes.length > 63)
      throw new Error(`"${name}" is not a DNS name: a label has 1 to 63 bytes`);
    parts.push(Buffer.from([bytes.length]), bytes);
  }
  parts.push(Buffer.from([0]));
  const whole = Buffer.concat(parts);
  if (whole.length > 255) throw new Error(`"${name}" is not a DNS name: it has more than 255 bytes`);
  return whole;
}

function rdataOf(data: Rdata): Buffer {
  switch (data.type) {
    case 'A':
      return Buffer.from(data.address.split('.').map(Number));
    case 'TXT': {
      const text = Buffer.from(data.text).subarray(0, 255);
      return Buffer.concat([Buffer.from([text.length]), text]);
    }
    case 'SRV': {
      const head = Buffer.alloc(6);
      head.writeUInt16BE(data.priority, 0);
      head.writeUInt16BE(data.weight, 2);
      head.writeUInt16BE(data.port, 4);
      return Buffer.concat([head, encodeName(data.name)]);
    }
    case 'SOA': {
      const tail = Buffer.alloc(20);
      [data.serial, data.refresh, data.retry, data.expire, data.minimum].forEach((n, i) =>
        tail.writeUInt32BE(n >>> 0, i * 4),
      );
      return Buffer.concat([encodeName(data.mname), encodeName(data.rname), tail]);
    }
    default:
      return encodeName(data.name);
  }
}

/** Records whose name is `asked` point at the question, whatever the case in which it was written. */
export function encodeRecords(records: readonly ResourceRecord[], asked: string): Buffer {
  const parts: Buffer[] = [];
  for (const { name, ttl, data } of records) {
    const rdata = rdataOf(data);
    const head = Buffer.alloc(10);
    head.writeUInt16BE(types[data.type], 0);
    head.writeUInt16BE(1, 2);
    head.writeUInt32BE(ttl, 4);
    head.writeUInt16BE(rdata.length, 8);
    parts.push(name === asked ? Buffer.from([0xc0, headerSize]) : encodeName(name), head, rdata);
  }
  return Buffer.concat(parts);
}

export interface Sections {
  code: number;
  authoritative: boolean;
  /** Encoded, with how many records. */
  answers: Buffer;
  answerCount: number;
  authorities: Buffer;
  authorityCount: number;
  additionals: Buffer;
  additionalCount: number;
}

export const nothing: Buffer = Buffer.alloc(0);

const ourPayload = 1232;

/**
 * The answer to a question: its bytes copied (the case of the name comes back as it was sent), then the sections. What
 * does not fit in `limit` is left out and said: additionals quietly, answers with the truncation flag.
 */
export function writeAnswer(query: Buffer, question: Question, sections: Sections, limit: number): Buffer {
  const { answers, authorities, additionals } = sections;
  const opt = question.edns === undefined ? 0 : 11;
  const required = question.end + answers.length + authorities.length + opt;
  const truncated = required > limit;
  const withMore = !truncated && required + additionals.length <= limit;
  const size = truncated ? question.end + opt : required + (withMore ? additionals.length : 0);
  const out = Buffer.allocUnsafe(size);
  query.copy(out, 0, 0, question.end);
  const recursion = question.flags & 0x0100;
  out.writeUInt16BE(
    0x8080 |
      (question.flags & 0x7800) |
      recursion |
      (sections.authoritative ? 0x0400 : 0) |
      (truncated ? 0x0200 : 0) |
      sections.code,
    2,
  );
  out.writeUInt16BE(truncated ? 0 : sections.answerCount, 6);
  out.writeUInt16BE(truncated ? 0 : sections.authorityCount, 8);
  out.writeUInt16BE((withMore ? sections.additionalCount : 0) + (opt ? 1 : 0), 10);
  let at = question.end;
  if (!truncated) {
    at += answers.copy(out, at);
    at += authorities.copy(out, at);
    if (withMore) at += additionals.copy(out, at);
  }
  if (opt) writeOpt(out, at, question.dnssec);
  return out;
}

function writeOpt(out: Buffer, at: number, dnssec: boolean): void {
  out[at] = 0;
  out.writeUInt16BE(types.OPT, at + 1);
  out.writeUInt16BE(ourPayload, at + 3);
  out.writeUInt32BE(dnssec ? dnssecBit : 0, at + 5);
  out.writeUInt16BE(0, at + 9);
}

/** How large an answer in a datagram may be: what the client says, and never so much that it is broken into fragments. */
export function datagramLimit(question: Question): number {
  return question.edns === undefined ? 512 : Math.min(question.edns, ourPayload);
}

/** An answer without records. */
export function writeCode(query: Buffer, question: Question, code: number): Buffer {
  return writeAnswer(query, question, { ...emptySections, code }, 65_535);
}

export const emptySections: Sections = {
  code: codes.ok,
  authoritative: false,
  answers: nothing,
  answerCount: 0,
  authorities: nothing,
  authorityCount: 0,
  additionals: nothing,
  additionalCount: 0,
};

/** A query of our own. */
export function writeQuery(id: number, name: string, type: number): Buffer {
  const encoded = encodeName(name);
  const out = Buffer.alloc(headerSize + encoded.length + 4);
  out.writeUInt16BE(id, 0);
  out.writeUInt16BE(0x0100, 2);
  out.writeUInt16BE(1, 4);
  encoded.copy(out, headerSize);
  out.writeUInt16BE(type, headerSize + encoded.length);
  out.writeUInt16BE(1, headerSize + encoded.length + 2);
  return out;
}

/** An answer's records as far as forwarding looks at them; undefined when the message is broken. */
export function readAnswer(
  message: Buffer,
): { code: number; truncated: boolean; end: number; records: Found[] } | undefined {
  if (message.length < headerSize || (message[2]! & 0x80) === 0) return undefined;
  const questions = message.readUInt16BE(4);
  let at: number | undefined = headerSize;
  for (let i = 0; i < questions; i++) {
    at = skipName(message, at);
    if (at === undefined || at + 4 > message.length) return undefined;
    at += 4;
  }
  const end = at;
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8), message.readUInt16BE(10)];
  const records: Found[] = [];
  for (const [section, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const start: number = at;
      const head = skipName(message, start);
      if (head === undefined || head + 10 > message.length) return undefined;
      const length = message.readUInt16BE(head + 8);
      at = head + 10 + length;
      if (at > message.length) return undefined;
      records.push({
        section,
        start,
        head,
        end: at,
        type: message.readUInt16BE(head),
        ttl: message.readUInt32BE(head + 4),
      });
    }
  }
  return { code: message[3]! & 15, truncated: (message[2]! & 2) !== 0, end, records };
}

export interface Found {
  /** 0 answers, 1 authorities, 2 additionals. */
  section: number;
  /** Where the record, what follows its name, and the next record begin. */
  start: number;
  head: number;
  end: number;
  type: number;
  ttl: number;
}
