/** The probes of one pod: which containers have started, which are ready, which must be ended. */
import type { Container, Probe } from '../kinds.ts';
import type { Health } from '../plan.ts';
import { type Target, runHandler } from './handler.ts';
import { Prober, type ProbeType } from './prober.ts';

export { type Target, portOf, runHandler } from './handler.ts';
export type { Outcome } from './outcome.ts';

interface Watched {
  container: Container;
  startedAt: number;
  hookDone: boolean;
  startupDone: boolean;
  failed: 'liveness' | 'startup' | undefined;
  wasReady: boolean;
  probers: Map<ProbeType, Prober>;
}

export interface ProbesOptions {
  target(container: Container, id: string): Target;
  /** In [0, 1): spreads first tries after a restart of the agent. */
  chance(): number;
  /** A result changed: look at the pod again. */
  onChange(): void;
  onUnhealthy(container: Container, type: ProbeType, output: string): void;
}

export class PodProbes implements Health {
  readonly #options: ProbesOptions;
  readonly #watched = new Map<string, Watched>();
  #ending = false;

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#watched.has(id);
  }

  /** A container runs; `found`: it ran before we did, and this is what the API last said of it. */
  begin(container: Container, id: string, startedAt: number, found?: { started: boolean; ready: boolean }): void {
    if (this.#watched.has(id)) return;
    const hookDone = found !== undefined || !container.lifecycle?.postStart;
    const startupDone = !container.startupProbe || found?.started === true;
    const watched: Watched = {
      container,
      startedAt,
      hookDone,
      startupDone,
      failed: undefined,
      wasReady: found?.ready ?? false,
      probers: new Map(),
    };
    this.#watched.set(id, watched);
    if (hookDone) this.#advance(id, watched, found !== undefined);
  }

  /** The postStart hook is done: probing may begin. */
  hookDone(id: string): void {
    const watched = this.#watched.get(id);
    if (!watched || watched.hookDone) return;
    watched.hookDone = true;
    this.#advance(id, watched, false);
  }

  end(id: string): void {
    for (const prober of this.#watched.get(id)?.probers.values() ?? []) prober.stop();
    this.#watched.delete(id);
  }

  /** The pod is being ended: only readiness is still asked for. */
  ending(): void {
    if (this.#ending) return;
    this.#ending = true;
    for (const { probers } of this.#watched.values()) {
      probers.get('liveness')?.stop();
      probers.get('startup')?.stop();
    }
  }

  stop(): void {
    for (const id of this.#watched.keys()) this.end(id);
  }

  started(_container: Container, id: string): boolean {
    const watched = this.#watched.get(id);
    return watched !== undefined && watched.hookDone && watched.startupDone;
  }

  ready(container: Container, id: string): boolean {
    const watched = this.#watched.get(id);
    if (!watched || !this.started(container, id)) return false;
    if (!container.readinessProbe) return true;
    return watched.probers.get('readiness')?.good ?? watched.wasReady;
  }

  failed(id: string): 'liveness' | 'startup' | undefined {
    return this.#watched.get(id)?.failed;
  }

  #advance(id: string, watched: Watched, found: boolean): void {
    const { container } = watched;
    if (!watched.startupDone) {
      this.#watch(id, watched, 'startup', container.startupProbe as Probe, false, found);
      return;
    }
    if (container.livenessProbe && !this.#ending)
      this.#watch(id, watched, 'liveness', container.livenessProbe, true, found);
    if (container.readinessProbe)
      this.#watch(id, watched, 'readiness', container.readinessProbe, watched.wasReady, found);
  }

  #watch(id: string, watched: Watched, type: ProbeType, probe: Probe, initial: boolean, found: boolean): void {
    const { target, chance, onUnhealthy } = this.#options;
    const where = target(watched.container, id);
    const prober = new Prober({
      clock: where.clock,
      probe,
      type,
      startedAt: watched.startedAt,
      initial,
      jitter: found ? chance() * (probe.periodSeconds ?? 10) * 1000 : 0,
      attempt: (timeout, signal) => runHandler(probe, where, timeout, signal),
      onFailure: (output) => onUnhealthy(watched.container, type, output),
      onResult: (good) => this.#result(id, watched, type, good),
    });
    watched.probers.set(type, prober);
    prober.start();
  }

  #result(id: string, watched: Watched, type: ProbeType, good: boolean): void {
    if (this.#watched.get(id) !== watched) return;
    if (type === 'startup' && good) {
      watched.startupDone = true;
      this.#advance(id, watched, false);
    } else if (type !== 'readiness' && !good) {
      watched.failed = type;
    }
    this.#options.onChange();
  }
}
