/** Programs outside that have a say, asked over HTTP as kube-scheduler asks its extenders. */
import type { Pod } from '../api/index.ts';
import type { Log } from '../client/index.ts';
import type { Clock } from '../machinery/index.ts';
import type { ExtenderConfiguration } from './config.ts';
import type { Outside } from './cycle.ts';
import type { Rejection } from './framework.ts';
import type { NodeInfo } from './nodeinfo.ts';
import { requestOf } from './resources.ts';

const largestAnswer = 64 * 1024 * 1024;

export interface Binder {
  /** Whether it binds this pod, in place of the scheduler. */
  bind(pod: Pod, node: string): Promise<void>;
}

export class Extenders {
  readonly #extenders: readonly ExtenderConfiguration[];
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(extenders: readonly ExtenderConfiguration[], clock: Clock, log: Log) {
    this.#extenders = extenders;
    this.#clock = clock;
    this.#log = log;
  }

  /** Those that have a say about this pod; undefined: nobody. */
  about(pod: Pod): Outside | undefined {
    const interested = this.#extenders.filter((one) => isInterested(one, pod));
    if (!interested.some((one) => one.filterVerb || one.prioritizeVerb)) return undefined;
    return {
      filter: (asked, nodes) => this.#filter(interested, asked, nodes),
      score: (asked, nodes) => this.#score(interested, asked, nodes),
    };
  }

  binderFor(pod: Pod): Binder | undefined {
    const extender = this.#extenders.find((one) => one.bindVerb && isInterested(one, pod));
    if (extender === undefined) return undefined;
    return {
      bind: async ({ metadata }, node) => {
        const { name, namespace, uid } = metadata;
        const body = { PodName: name, PodNamespace: namespace, PodUID: uid, Node: node };
        const answer = (await this.#ask(extender, extender.bindVerb!, body)) as { Error?: string };
        if (answer.Error) throw new Error(`the extender at ${extender.urlPrefix} could not bind: ${answer.Error}`);
      },
    };
  }

  async #filter(extenders: readonly ExtenderConfiguration[], pod: Pod, nodes: readonly NodeInfo[]) {
    let left = [...nodes];
    const rejections = new Map<NodeInfo, Rejection>();
    for (const extender of extenders) {
      if (!extender.filterVerb || left.length === 0) continue;
      try {
        const answer = (await this.#ask(extender, extender.filterVerb, bodyFor(extender, pod, left))) as FilterAnswer;
        if (answer.Error) throw new Error(answer.Error);
        const names = new Set(answer.NodeNames ?? answer.Nodes?.items?.map((node) => node.metadata.name));
        for (const node of left) {
          if (names.has(node.name)) continue;
          const never = answer.FailedAndUnresolvableNodes?.[node.name];
          const reason =
            never ?? answer.FailedNodes?.[node.name] ?? `rejected by the extender at ${extender.urlPrefix}`;
          rejections.set(node, { reason, unresolvable: never !== undefined });
        }
        left = left.filter((node) => names.has(node.name));
      } catch (err) {
        if (!extender.ignorable) throw err;
        this.#log.warn({ err, extender: extender.urlPrefix }, 'an extender failed, which its configuration allows');
      }
    }
    return { nodes: left, rejections };
  }

  async #score(extenders: readonly ExtenderConfiguration[], pod: Pod, nodes: readonly NodeInfo[]) {
    const scores = new Map<string, number>();
    await Promise.all(
      extenders.map(async (extender) => {
        if (!extender.prioritizeVerb) return;
        try {
          const list = (await this.#ask(extender, extender.prioritizeVerb, bodyFor(extender, pod, nodes))) as {
            Host: string;
            Score: number;
          }[];
          // their scale is 0 … 10, the plugins' is 0 … 100
          for (const { Host, Score } of list)
            scores.set(Host, (scores.get(Host) ?? 0) + Score * (extender.weight ?? 1) * 10);
        } catch (err) {
          this.#log.warn({ err, extender: extender.urlPrefix }, 'an extender gave no scores; it goes without them');
        }
      }),
    );
    return scores;
  }

  async #ask(extender: ExtenderConfiguration, verb: string, body: object): Promise<unknown> {
    const url = `${extender.urlPrefix.replace(/\/$/, '')}/${verb}`;
    const stop = new AbortController();
    const milliseconds = timeoutOf(extender);
    const timer = this.#clock.after(milliseconds, () =>
      stop.abort(new Error(`the extender at ${url} did not answer within ${milliseconds} ms`)),
    );
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: stop.signal,
      });
      if (!response.ok) throw new Error(`the extender at ${url} answered ${response.status}`);
      const text = await response.text();
      if (text.length > largestAnswer)
        throw new Error(`the extender at ${url} answered more than ${largestAnswer} bytes`);
      return JSON.parse(text);
    } finally {
      timer.cancel();
    }
  }
}

interface FilterAnswer {
  Nodes?: { items?: { metadata: { name: string } }[] };
  NodeNames?: string[];
  FailedNodes?: Record<string, string>;
  FailedAndUnresolvableNodes?: Record<string, string>;
  Error?: string;
}

function bodyFor({ nodeCacheCapable }: ExtenderConfiguration, pod: Pod, nodes: readonly NodeInfo[]): object {
  if (nodeCacheCapable) return { Pod: pod, NodeNames: nodes.map((node) => node.name) };
  return { Pod: pod, Nodes: { apiVersion: 'v1', kind: 'NodeList', items: nodes.map(({ node }) => node) } };
}

function isInterested({ managedResources = [] }: ExtenderConfiguration, pod: Pod): boolean {
  if (managedResources.length === 0) return true;
  const names = new Set(requestOf(pod).scalars.map(([name]) => name));
  return managedResources.some((one) => names.has(one.name));
}

function timeoutOf({ httpTimeout = 5_000 }: ExtenderConfiguration): number {
  if (typeof httpTimeout === 'number') return httpTimeout;
  const [, amount = '5', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(httpTimeout) ?? [];
  return Number(amount) * (unit === 'ms' ? 1 : unit === 's' ? 1_000 : 60_000);
}
