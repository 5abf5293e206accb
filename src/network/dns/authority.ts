/** What the cluster's DNS says of its own names. Answers are encoded once and kept until the zone changes. Pure. */
import { type Cidr, contains, tryParseIPv4 } from '../ipv4.ts';
import { codes, emptySections, encodeRecords, nothing, type ResourceRecord, type Sections, types } from './codec.ts';
import { addressOfReverse, ttl, type Zone } from './zone.ts';

export interface AuthorityOptions {
  zone: Zone;
  /** cluster.local, lower case. */
  domain: string;
  /** Ranges whose reverse names are ours alone: nobody else is asked. */
  ranges: Cidr[];
  /** The address of the name server itself. */
  address: () => string;
}

/** `foreign`: not ours to say. `chase`: the answer so far is an alias of a name that is not ours. */
export type Answer = Sections | { chase: string; records: ResourceRecord[] } | 'foreign';

const maxKept = 20_000;
const maxAliases = 8;

export class Authority {
  readonly #options: AuthorityOptions;
  readonly #suffix: string;
  #kept = new Map<string, Answer>();
  #serial = -1;
  #turn = 0;

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#suffix = `.${options.domain}`;
  }

  answer(name: string, type: number): Answer {
    if (!this.#isOurs(name)) return 'foreign';
    const { zone } = this.#options;
    if (zone.serial !== this.#serial || this.#kept.size > maxKept) {
      this.#serial = zone.serial;
      this.#kept = new Map();
    }
    const key = `${type} ${name}`;
    let found = this.#kept.get(key);
    if (found === undefined) {
      found = this.#make(name, type);
      this.#kept.set(key, found);
    }
    return typeof found === 'object' && 'answers' in found ? this.#rotated(found, type) : found;
  }

  #isOurs(name: string): boolean {
    if (name.endsWith(this.#suffix) || name === this.#options.domain) return true;
    if (!name.endsWith('.in-addr.arpa')) return false;
    const address = addressOfReverse(name);
    if (address === undefined) return false;
    const number = tryParseIPv4(address) ?? 0;
    return this.#options.ranges.some((range) => contains(range, number)) || this.#options.zone.get(name) !== undefined;
  }

  /** A different endpoint first each time: many clients take the first. All such records have the same size. */
  #rotated(sections: Sections, type: number): Sections {
    const { answers, answerCount } = sections;
    if (type !== types.A || answerCount < 2 || answers.length !== answerCount * 16) return sections;
    const cut = (this.#turn++ % answerCount) * 16;
    return { ...sections, answers: Buffer.concat([answers.subarray(cut), answers.subarray(0, cut)]) };
  }

  #make(name: string, type: number): Answer {
    const answers: ResourceRecord[] = [];
    let at = name;
    for (let hops = 0; hops < maxAliases; hops++) {
      const records = this.#recordsAt(at);
      if (records === undefined)
        return this.#negative(name, answers, answers.length === 0 ? codes.noSuchName : codes.ok);
      const fitting = records.filter((each) => type === types.ANY || types[each.data.type] === type);
      const alias = records.find((each) => each.data.type === 'CNAME');
      if (fitting.length > 0 || alias === undefined) {
        answers.push(...fitting);
        return answers.length > 0 && fitting.length > 0
          ? this.#positive(name, answers)
          : this.#negative(name, answers, codes.ok);
      }
      answers.push(alias);
      at = alias.data.type === 'CNAME' ? alias.data.name : '';
      if (!this.#isOurs(at)) return { chase: at, records: answers };
    }
    return { ...emptySections, code: codes.failed };
  }

  #recordsAt(name: string): readonly ResourceRecord[] | undefined {
    const { domain, zone } = this.#options;
    if (name === domain) return [this.#soa(), { name, ttl, data: { type: 'NS', name: `ns.dns${this.#suffix}` } }];
    if (name === `ns.dns${this.#suffix}`) return [{ name, ttl, data: { type: 'A', address: this.#options.address() } }];
    if (name === `dns-version${this.#suffix}`) return [{ name, ttl, data: { type: 'TXT', text: '1.1.0' } }];
    if (name === `svc${this.#suffix}` || name === `pod${this.#suffix}` || name === `dns${this.#suffix}`) return [];
    return zone.get(name) ?? this.#podRecords(name);
  }

  /** `10-244-0-3.namespace.pod.cluster.local` says what its name says. */
  #podRecords(name: string): readonly ResourceRecord[] | undefined {
    const end = `.pod${this.#suffix}`;
    if (!name.endsWith(end)) return undefined;
    const [ip = '', namespace = '', ...rest] = name.slice(0, -end.length).split('.');
    const address = ip.replaceAll('-', '.');
    if (namespace === '' || rest.length > 0 || tryParseIPv4(address) === undefined) return undefined;
    return [{ name, ttl, data: { type: 'A', address } }];
  }

  #positive(asked: string, records: ResourceRecord[]): Sections {
    const glue = records.flatMap(({ data }) => (data.type === 'SRV' ? (this.#recordsAt(data.name) ?? []) : []));
    const additionals = [...new Set(glue)].filter(({ data }) => data.type === 'A');
    return {
      ...emptySections,
      authoritative: true,
      answers: encodeRecords(records, asked),
      answerCount: records.length,
      additionals: additionals.length === 0 ? nothing : encodeRecords(additionals, asked),
      additionalCount: additionals.length,
    };
  }

  /** With the SOA: it says for how long the "no" may be kept (RFC 2308). */
  #negative(asked: string, answers: ResourceRecord[], code: number): Sections {
    return {
      ...emptySections,
      code,
      authoritative: true,
      answers: encodeRecords(answers, asked),
      answerCount: answers.length,
      authorities: encodeRecords([this.#soa()], asked),
      authorityCount: 1,
    };
  }

  #soa(): ResourceRecord {
    const { domain, zone } = this.#options;
    const times = { refresh: 7200, retry: 1800, expire: 86_400, minimum: ttl };
    const names = { mname: `ns.dns.${domain}`, rname: `hostmaster.${domain}` };
    return { name: domain, ttl, data: { type: 'SOA', ...names, serial: zone.serial, ...times } };
  }
}
