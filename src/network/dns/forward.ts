/** Questions that are not ours: asked of the host's own name servers, one after the other. */
import type { Log } from '../../client/index.ts';
import type { Clock, Random } from '../../machinery/index.ts';
import { AnswerCache } from './cache.ts';
import { codes, type Question, readAnswer, skipName, types, writeCode, writeQuery } from './codec.ts';
import { type Exchange, exchangeDatagrams, exchangeStream } from './exchange.ts';
import type { Upstream } from './upstreams.ts';

export interface ForwarderOptions {
  upstreams: Upstream[];
  clock: Clock;
  random: Random;
  log: Log;
  /** Milliseconds that one server has to answer; 2,000 when absent. */
  timeout?: number;
}

export interface ForwardCounts {
  forwarded: number;
  cached: number;
  failed: number;
}

/** So many questions may wait for others at a time; more are answered "failed" at once. */
const maxWaiting = 1000;
const probeSuffix = 'loop.glasshouse.invalid';

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #waiting = new Map<string, Promise<Buffer>>();
  readonly counts: ForwardCounts = { forwarded: 0, cached: 0, failed: 0 };
  /** A name that nobody else would ask for: when it comes in, a server we asked asks us. */
  readonly #probe: string;
  #probed = false;
  #loops = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.clock);
    this.#probe = `${options.random.suffix(20)}.${probeSuffix}`;
  }

  /** What is known already, without waiting. */
  known(query: Buffer, question: Question, stream: boolean): Buffer | undefined {
    const found = this.#cache.get(keyOf(question, stream), query, question);
    if (found !== undefined) this.counts.cached++;
    return found;
  }

  /** Always resolves: with "failed" when nobody answers. */
  async ask(query: Buffer, question: Question, stream: boolean): Promise<Buffer> {
    if (question.name.endsWith(probeSuffix)) return this.#probeArrived(query, question);
    const { upstreams } = this.#options;
    if (upstreams.length === 0 || this.#loops || this.#waiting.size >= maxWaiting) return this.#failed(query, question);
    if (!this.#probed) this.#sendProbe();
    const key = keyOf(question, stream);
    const shared = this.#waiting.get(key);
    const work = shared ?? this.#askAll(query, key, stream);
    if (shared === undefined) {
      this.#waiting.set(key, work);
      const done = () => void this.#waiting.delete(key);
      work.then(done, done);
    }
    try {
      return addressed(await work, query, question);
    } catch (error) {
      this.#options.log.warn({ name: question.name, err: error }, 'no name server answered');
      return this.#failed(query, question);
    }
  }

  /** The addresses of a name elsewhere, for an alias of ours; undefined when nobody says. */
  async resolve(name: string, type: number): Promise<Buffer | undefined> {
    const query = writeQuery(Math.floor(this.#options.random.next() * 0x10000), name, type);
    const question: Question = {
      id: query.readUInt16BE(0),
      flags: 0x0100,
      name,
      type,
      class: 1,
      end: query.length,
      edns: undefined,
      dnssec: false,
    };
    const known = this.known(query, question, true) ?? (await this.ask(query, question, true));
    return readAnswer(known)?.code === codes.ok ? known : undefined;
  }

  async #askAll(query: Buffer, key: string, stream: boolean): Promise<Buffer> {
    const { upstreams, clock, timeout = 2000 } = this.#options;
    const failures: unknown[] = [];
    let refusal: Buffer | undefined;
    for (const upstream of upstreams) {
      try {
        const answer = await this.#askOne(query, upstream, stream ? exchangeStream : exchangeDatagrams, clock, timeout);
        const read = readAnswer(answer);
        if (read === undefined || !sameQuestion(answer, query))
          throw new Error(`${upstream.address} answered something else`);
        // It could not, or would not: the next one may.
        if (read.code === codes.failed || read.code === codes.refused) {
          refusal ??= answer;
          continue;
        }
        this.#cache.put(key, answer);
        return answer;
      } catch (error) {
        failures.push(error);
      }
    }
    if (refusal !== undefined) return refusal;
    throw new AggregateError(failures, failures.map(String).join('; '));
  }

  #askOne(query: Buffer, to: Upstream, exchange: Exchange, clock: Clock, timeout: number): Promise<Buffer> {
    this.counts.forwarded++;
    const own = Buffer.from(query);
    own.writeUInt16BE(Math.floor(this.#options.random.next() * 0x10000), 0);
    return exchange(own, to, clock, timeout);
  }

  #sendProbe(): void {
    this.#probed = true;
    const query = writeQuery(1, this.#probe, types.TXT);
    for (const upstream of this.#options.upstreams) {
      const { clock, timeout = 2000 } = this.#options;
      this.#askOne(query, upstream, exchangeDatagrams, clock, timeout).catch(() => {});
    }
  }

  #probeArrived(query: Buffer, question: Question): Buffer {
    if (question.name === this.#probe && !this.#loops) {
      this.#loops = true;
      const upstreams = this.#options.upstreams.map((each) => each.address);
      this.#options.log.error(
        { upstreams },
        'a name server of this host asks us what we ask it; names outside of the cluster are not resolved',
      );
    }
    return writeCode(query, question, codes.noSuchName);
  }

  #failed(query: Buffer, question: Question): Buffer {
    this.counts.failed++;
    return writeCode(query, question, codes.failed);
  }
}

function keyOf({ name, type, class: kind, edns, dnssec, flags }: Question, stream: boolean): string {
  return `${name} ${type} ${kind} ${stream ? 'tcp' : (edns ?? 0)} ${dnssec ? 1 : 0}${flags & 0x0110}`;
}

/** The same answer for another asker: its id, and its spelling of the name. */
function addressed(answer: Buffer, query: Buffer, question: Question): Buffer {
  const out = Buffer.from(answer);
  out.writeUInt16BE(question.id, 0);
  if (out.readUInt16BE(4) === 1 && out.length >= question.end) query.copy(out, 12, 12, question.end);
  return out;
}

function sameQuestion(answer: Buffer, query: Buffer): boolean {
  if (answer.readUInt16BE(4) !== 1) return answer.readUInt16BE(4) === 0;
  const end = skipName(query, 12, false);
  return end !== undefined && answer.length >= end + 4 && lower(answer, 12, end + 4) === lower(query, 12, end + 4);
}

const lower = (message: Buffer, from: number, to: number) => message.toString('latin1', from, to).toLowerCase();
