/**
 * The `proxy` subresource of pods, services and nodes: the request goes on to the pod, to one of the service's endpoints or to the node's
 * agent, and the answer comes back as it is, but for links and redirects, which are made to lead through here again. Who may do so was
 * decided before. It promises not to reach what the API server alone can reach: addresses of this machine's loopback or of a link are
 * refused unless they are a pod's own.
 */
import type { Exchange } from '../exchange.ts';
import type { NodeCredentials, Upgrade } from '../nodeproxy.ts';
import type { Registry, ResourceCall } from '../registry/index.ts';
import { send } from '../respond.ts';
import { forward, forwardUpgrade } from './forward.ts';
import { nodeTarget, podTarget, serviceTarget, type Target } from './target.ts';

export class Proxy {
  readonly #registry: Registry;
  readonly #credentials: NodeCredentials | undefined;

  constructor(registry: Registry, credentials: NodeCredentials | undefined) {
    this.#registry = registry;
    this.#credentials = credentials;
  }

  static isFor(call: Pick<ResourceCall, 'subresource' | 'served'>): boolean {
    const { group, resource } = call.served.kind;
    return call.subresource === 'proxy' && group === '' && Object.hasOwn(targets, resource);
  }

  /** `rest` is what follows `proxy` in the path. Resolves with the status, once the answer has begun. */
  async serve(call: ResourceCall, rest: string, exchange: Exchange): Promise<number> {
    const target = await this.#target(call);
    if (rest === '' && (exchange.method === 'GET' || exchange.method === 'HEAD')) return redirect(exchange);
    return forward(this.#registry.clock, target, rest, exchange);
  }

  async upgrade(call: ResourceCall, rest: string, exchange: Exchange, upgrade: Upgrade): Promise<void> {
    await forwardUpgrade(this.#registry.clock, await this.#target(call), rest, exchange, upgrade);
  }

  #target(call: ResourceCall): Promise<Target> {
    return targets[call.served.kind.resource]!(this.#registry, call, this.#credentials);
  }
}

const targets: Record<
  string,
  (registry: Registry, call: ResourceCall, credentials: NodeCredentials | undefined) => Promise<Target>
> = { pods: podTarget, services: serviceTarget, nodes: nodeTarget };

/** Without the slash at the end, a page's relative links would lead elsewhere. */
function redirect(exchange: Exchange): number {
  const query = exchange.query.size > 0 ? `?${exchange.query}` : '';
  send(exchange, { code: 301, headers: { Location: `${exchange.path}/${query}` }, body: Buffer.alloc(0) }, []);
  return 301;
}
