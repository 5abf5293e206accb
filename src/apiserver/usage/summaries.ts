/** What nodes tell of their use, asked when it is wanted and kept for a few seconds. */
import { request } from 'node:https';
import { type AnyObject, type Clock, isObject } from '../../machinery/index.ts';
import { addressOf, type NodeCredentials } from '../nodeproxy.ts';

/** A node's `/stats/summary`, as its agent gives it. Rejecting: the node cannot be asked now, and is left out. */
export type SummarySource = (node: AnyObject) => Promise<unknown>;

export interface Usage {
  readonly nanoCores: number;
  readonly bytes: number;
}

export interface Told {
  /** When it was measured, in milliseconds. */
  readonly time: number;
  readonly node: Usage;
  /** Containers by their pod's uid. */
  readonly pods: ReadonlyMap<string, readonly (Usage & { readonly name: string })[]>;
}

const goodFor = 10_000;
const atOnce = 50;
const timeout = 10_000;
const largest = 64 * 1024 * 1024;

export class Summaries {
  readonly #source: SummarySource;
  readonly #clock: Clock;
  readonly #known = new Map<string, { at: number; told: Promise<Told | undefined> }>();

  constructor(source: SummarySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** By node; without those that do not answer. */
  async of(nodes: readonly AnyObject[]): Promise<Map<string, Told>> {
    const found = new Map<string, Told>();
    for (let from = 0; from < nodes.length; from += atOnce) {
      const some = nodes.slice(from, from + atOnce);
      const told = await Promise.all(some.map((node) => this.#one(node)));
      for (const [i, one] of told.entries()) if (one !== undefined) found.set(some[i]!.metadata.name!, one);
    }
    return found;
  }

  #one(node: AnyObject): Promise<Told | undefined> {
    const name = node.metadata.name!;
    const now = this.#clock.monotonic();
    const known = this.#known.get(name);
    if (known !== undefined && now - known.at < goodFor) return known.told;
    const told = this.#source(node).then(
      (summary) => read(summary, this.#clock.now()),
      () => undefined,
    );
    for (const [other, { at }] of this.#known) if (now - at >= goodFor) this.#known.delete(other);
    this.#known.set(name, { at: now, told });
    return told;
  }
}

function read(summary: unknown, now: number): Told | undefined {
  if (!isObject(summary) || !isObject(summary.node)) return undefined;
  const pods = new Map<string, (Usage & { name: string })[]>();
  for (const pod of (summary.pods ?? []) as AnyObject[])
    pods.set(
      pod.podRef.uid,
      (pod.containers ?? []).map((one: AnyObject) => ({ name: one.name, ...usageOf(one) })),
    );
  const time = Date.parse(summary.node.cpu?.time);
  return { time: Number.isNaN(time) ? now : time, node: usageOf(summary.node as AnyObject), pods };
}

function usageOf({ cpu, memory }: AnyObject): Usage {
  return { nanoCores: cpu?.usageNanoCores ?? 0, bytes: memory?.workingSetBytes ?? 0 };
}

/** Asks the nodes themselves. */
export function nodeSummaries({ certificate, key, authority }: NodeCredentials): SummarySource {
  return async (node) => {
    const host = addressOf(node);
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250;
    const text = await new Promise<string>((resolve, reject) => {
      const asked = request({
        host,
        port,
        path: '/stats/summary',
        cert: certificate,
        key,
        ca: authority,
        timeout,
        checkServerIdentity: () => undefined,
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeout / 1000} s`)));
      asked.on('error', reject);
      asked.on('response', (answer) => {
        const pieces: Buffer[] = [];
        let size = 0;
        answer.on('data', (piece: Buffer) => {
          size += piece.length;
          if (size > largest) return void asked.destroy(new Error(`more than ${largest} bytes`));
          pieces.push(piece);
        });
        answer.on('error', reject);
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(Buffer.concat(pieces).toString());
          else reject(new Error(`the node answered ${answer.statusCode}`));
        });
      });
      asked.end();
    });
    return JSON.parse(text);
  };
}
