/** Answers of others, for as long as they may be kept, and no longer than `maxAge`. */
import type { Clock } from '../../machinery/index.ts';
import { codes, type Question, readAnswer, types } from './codec.ts';

interface Kept {
  message: Buffer;
  /** Where the answer's question ends, and where its times to live are. */
  end: number;
  ttls: number[];
  /** Milliseconds. */
  since: number;
  until: number;
}

const maxAge = 30_000;
const maxEntries = 4096;
const maxMessage = 4096;

export class AnswerCache {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer with the question's id and spelling, and the time that has gone taken off. */
  get(key: string, query: Buffer, question: Question): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (now >= kept.until || kept.end !== question.end) {
      this.#kept.delete(key);
      return undefined;
    }
    const out = Buffer.from(kept.message);
    query.copy(out, 12, 12, question.end);
    out.writeUInt16BE(question.id, 0);
    const age = Math.floor((now - kept.since) / 1000);
    for (const at of kept.ttls) out.writeUInt32BE(Math.max(0, out.readUInt32BE(at) - age), at);
    return out;
  }

  put(key: string, message: Buffer): void {
    const answer = readAnswer(message);
    if (answer === undefined || answer.truncated || message.length > maxMessage) return;
    if (answer.code !== codes.ok && answer.code !== codes.noSuchName) return;
    const timed = answer.records.filter((record) => record.type !== types.OPT);
    // Nothing that says how long: not to be kept.
    if (timed.length === 0) return;
    const lifetime = Math.min(maxAge, ...timed.map((record) => record.ttl * 1000));
    if (lifetime <= 0) return;
    const since = this.#clock.monotonic();
    if (this.#kept.size >= maxEntries) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.delete(key);
    const ttls = timed.map((record) => record.head + 4);
    this.#kept.set(key, { message: Buffer.from(message), end: answer.end, ttls, since, until: since + lifetime });
  }
}
