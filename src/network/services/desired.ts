/**
 * The ruleset of all Services, kept Service by Service, so that a change costs what changed. Where two Services claim the
 * same address and port (two with one external IP), the one that came first has it until it lets go.
 */
import { type Chain, emptyRuleset, type Ruleset } from './rules.ts';

export class Desired {
  readonly #owned = new Map<string, Ruleset>();
  readonly #claims = new Map<string, Map<string, string>>();
  /** What was touched since the last `take`, as it was then. */
  #before = new Map<string, string | undefined>();
  #chainsBefore = new Map<string, Chain | undefined>();
  readonly #chains = new Map<string, Chain>();

  /** An empty ruleset: the Service is gone. */
  set(owner: string, rules: Ruleset): void {
    const old = this.#owned.get(owner) ?? emptyRuleset();
    for (const id of old.elements.keys()) if (!rules.elements.has(id)) this.#unclaim(id, owner);
    for (const [id, value] of rules.elements) this.#claim(id, owner, value);
    for (const name of old.chains.keys()) if (!rules.chains.has(name)) this.#setChain(name, undefined);
    for (const [name, chain] of rules.chains) this.#setChain(name, chain);
    if (rules.elements.size + rules.chains.size === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, rules);
  }

  /** What was touched since the last call: as it was, and as it is. */
  take(): { from: Ruleset; to: Ruleset } {
    const from = emptyRuleset();
    const to = emptyRuleset();
    for (const [id, value] of this.#before) {
      put(from.elements, id, value);
      put(to.elements, id, this.#valueOf(id));
    }
    for (const [name, chain] of this.#chainsBefore) {
      put(from.chains, name, chain);
      put(to.chains, name, this.#chains.get(name));
    }
    this.#before = new Map();
    this.#chainsBefore = new Map();
    return { from, to };
  }

  /** All of it; forgets what was touched. */
  takeAll(): Ruleset {
    this.take();
    const all: Ruleset = { elements: new Map(), chains: new Map(this.#chains) };
    for (const id of this.#claims.keys()) put(all.elements, id, this.#valueOf(id));
    return all;
  }

  #claim(id: string, owner: string, value: string): void {
    const claims = this.#claims.get(id) ?? new Map<string, string>();
    if (claims.get(owner) === value) return;
    this.#touch(id);
    claims.set(owner, value);
    this.#claims.set(id, claims);
  }

  #unclaim(id: string, owner: string): void {
    const claims = this.#claims.get(id);
    if (claims === undefined || !claims.has(owner)) return;
    this.#touch(id);
    claims.delete(owner);
    if (claims.size === 0) this.#claims.delete(id);
  }

  #touch(id: string): void {
    if (!this.#before.has(id)) this.#before.set(id, this.#valueOf(id));
  }

  #setChain(name: string, chain: Chain | undefined): void {
    if (!this.#chainsBefore.has(name)) this.#chainsBefore.set(name, this.#chains.get(name));
    put(this.#chains, name, chain);
  }

  #valueOf(id: string): string | undefined {
    return this.#claims.get(id)?.values().next().value;
  }
}

function put<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
