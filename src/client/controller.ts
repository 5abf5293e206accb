import type { AnyObject, Clock, KubeObject, MetricSet, Random, Resource } from '../machinery/index.ts';
import { isStatusError, keyOf, splitKey } from '../machinery/index.ts';
import type { Client } from './client.ts';
import { type EventRecorder, eventRecorder } from './events.ts';
import type { EventHandler, Informer } from './informer.ts';
import { Informers, resourceId } from './informers.ts';
import { type Log, quiet } from './log.ts';
import type { Lister } from './objectcache.ts';
import { WorkQueue } from './workqueue.ts';
import { writeThrough } from './writethrough.ts';

export interface Result {
  /** Milliseconds after which the key is reconciled again, if nothing happens before. */
  requeueAfter?: number;
  /** Milliseconds in which further changes wait, to be looked at together: where looking costs much, as with sets of thousands. */
  restFor?: number;
}

/** Another resource whose changes concern the objects that a controller reconciles. */
export interface Watched<T extends KubeObject = any> {
  resource: Resource<T>;
  /** The keys to reconcile when this object is added, changed or deleted. On a change it is asked for both states. */
  keys(object: T, context: ReconcileContext): readonly string[];
  /** Whether a change matters; absent: every change does. `old` is absent when it is new, `object` when it is deleted. */
  when?(old: T | undefined, object: T | undefined): boolean;
}

/** What a reconciler works with. Its `client` writes through: what it answered, `lister` shows. */
export interface ReconcileContext {
  client: Client;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  log: Log;
  /** Events from this controller, about any object. */
  events: EventRecorder;
  /** The cached objects of a resource that the controller names in `for`, `owns`, `watches` or `reads`. */
  lister<R extends KubeObject>(resource: Resource<R>): Lister<R>;
  informer<R extends KubeObject>(resource: Resource<R>): Informer<R>;
  /**
   * Watches one more resource, which was found while running: `lister` knows it from now on, and changes queue keys. What it returns takes that
   * back.
   */
  follow(watched: Watched): () => void;
  /** Reconciles a key of this controller soon, or after some milliseconds. */
  enqueue(key: string, after?: number): void;
}

/**
 * A controller is data: what it looks after, what makes it look, and one step that brings the world closer to what an
 * object asks for. The step reads the world, never the event; it may be repeated at any time and for no reason.
 */
export interface Controller<T extends KubeObject = any> {
  name: string;
  /** The service account in kube-system that it acts as, where each has its own; absent: its name. */
  account?: string;
  for: Resource<T>;
  /** Whether a change of an object matters; absent: every change does. */
  when?(old: T | undefined, object: T | undefined): boolean;
  /** Resources whose objects have a controlling owner of the kind in `for`: a change concerns that owner. */
  owns?: readonly Resource<any>[];
  watches?: readonly Watched[];
  /** Resources that are only read. */
  reads?: readonly Resource<any>[];
  /** Keys reconciled at the same time, never twice the same; absent: 5. */
  concurrency?: number;
  /** Called once when the caches are filled and before the first key: for indexes, and for keys of its own. */
  start?(context: ReconcileContext): void;
  /** Brings the object with this key closer to what it asks for. What it throws is logged, and the key is tried again later. */
  reconcile(key: string, context: ReconcileContext): Promise<Result | void>;
}

export interface RunOptions {
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  log?: Log;
  /** Where the queues are counted; absent: nowhere. */
  metrics?: MetricSet | undefined;
  /** Shared with others in the process; absent: their own. */
  informers?: Informers;
  /** A client for each controller's account, so that each may do no more than its role allows; absent: all share one. */
  clientFor?(account: string): Client;
}

export interface RunningControllers {
  informers: Informers;
  /** Resolves once every controller has filled its caches and works; rejects when a `start` throws. */
  started: Promise<void>;
  /** Resolves after the signal was aborted, once no reconciler runs any more. Never rejects. */
  ended: Promise<void>;
}

/** Runs controllers on shared caches until the signal is aborted. */
export function runControllers(
  client: Client,
  controllers: readonly Controller[],
  options: RunOptions,
): RunningControllers {
  const {
    clock,
    random,
    signal,
    log = quiet,
    informers = new Informers({ client, clock, random, signal, log }),
  } = options;
  const shared: Shared = { ...options, log, informers, client };
  const running = controllers.map((controller) => runController(controller, shared));
  const started = Promise.all(running.map((each) => each.started)).then(() => {});
  started.catch(() => {});
  return {
    informers,
    started,
    ended: Promise.all(running.map(({ ended }) => ended)).then(() => {}),
  };
}

type Shared = RunOptions & { client: Client; log: Log; informers: Informers };

function runController(controller: Controller, shared: Shared): { started: Promise<void>; ended: Promise<void> } {
  const { clock, metrics, signal, informers } = shared;
  const queue = new WorkQueue({ clock, name: controller.name, metrics });
  const own = shared.clientFor?.(controller.account ?? controller.name) ?? shared.client;
  const context = contextOf(controller, queue, { ...shared, client: writeThrough(own, informers) });
  const stops = wire(controller, queue, context);
  const stop = () => {
    queue.shutDown();
    for (const each of stops) each();
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const started = Promise.all(resourcesOf(controller).map((resource) => informers.for(resource).synced())).then(() => {
    controller.start?.(context);
  });
  // Whoever waits for `started` hears of it; nobody has to.
  started.catch(() => {});
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const workers = () => Array.from({ length: controller.concurrency ?? 5 }, () => work(controller, queue, context));
  const ended = Promise.race([started, aborted]).then(async () => {
    await Promise.all(workers());
  });
  return {
    started,
    ended: ended.catch((err: unknown) =>
      shared.log.error({ err, controller: controller.name }, 'a controller failed to start'),
    ),
  };
}

function contextOf(controller: Controller, queue: WorkQueue, shared: Shared): ReconcileContext {
  const { client, clock, random, signal, log, informers } = shared;
  const known = new Set(resourcesOf(controller).map(resourceId));
  // asked for several times in every step
  const found = new Map<Resource<any>, Informer<any>>();
  const informer = <R extends KubeObject>(resource: Resource<R>): Informer<R> => {
    const there = found.get(resource);
    if (there !== undefined) return there;
    if (known.has(resourceId(resource))) {
      const made = informers.for(resource);
      found.set(resource, made);
      return made;
    }
    throw new Error(
      `controller ${controller.name} reads ${resource.resource}, which it does not name: add it to its reads`,
    );
  };
  const context: ReconcileContext = {
    client,
    clock,
    random,
    signal,
    log,
    follow: (watched) => {
      const { resource } = watched;
      const id = resourceId(resource);
      known.add(id);
      const unhandle = informers.follow(resource).addHandler(handlerOf(watched, queue, context));
      return () => {
        unhandle();
        known.delete(id);
        found.delete(resource);
        informers.leave(resource);
      };
    },
    events: eventRecorder({ client, clock, random, signal, log, component: controller.name }),
    informer,
    lister: (resource) => informer(resource).lister,
    enqueue: (key, after = 0) => queue.addAfter(key, after),
  };
  return context;
}

function resourcesOf({ for: main, owns = [], watches = [], reads = [] }: Controller): Resource<any>[] {
  return [...new Set([main, ...owns, ...watches.map((watched) => watched.resource), ...reads])];
}

/** Lets changes of every resource that the controller names queue keys. Returns what takes it back. */
function wire(controller: Controller, queue: WorkQueue, context: ReconcileContext): (() => void)[] {
  const main = controller.for;
  const own: Watched = { resource: main, keys: (object) => [keyOf(object)], when: controller.when?.bind(controller) };
  const owned = (controller.owns ?? []).map(
    (resource): Watched => ({ resource, keys: (object) => ownerKey(main, object) }),
  );
  return [own, ...owned, ...(controller.watches ?? [])].map((watched) =>
    context.informer(watched.resource).addHandler(handlerOf(watched, queue, context)),
  );
}

function handlerOf(watched: Watched, queue: WorkQueue, context: ReconcileContext): EventHandler<AnyObject> {
  const take = (old: AnyObject | undefined, object: AnyObject | undefined, priority: number) => {
    if (watched.when !== undefined && !watched.when(old, object)) return;
    for (const state of [old, object]) {
      if (state === undefined) continue;
      for (const key of watched.keys(state, context)) queue.add(key, priority);
    }
  };
  return {
    // What was there before comes after what changes now.
    onAdd: (object, initial) => take(undefined, object, initial ? -1 : 0),
    onUpdate: (old, object) => take(old, object, 0),
    onDelete: (object) => take(object, undefined, 0),
  };
}

function ownerKey(main: Resource<any>, { metadata }: KubeObject): string[] {
  const owner = metadata.ownerReferences?.find((each) => each.controller === true);
  if (owner?.kind !== main.kind) return [];
  const group = owner.apiVersion.includes('/') ? owner.apiVersion.slice(0, owner.apiVersion.indexOf('/')) : '';
  if (group !== main.group) return [];
  return [keyOf({ metadata: { name: owner.name, namespace: main.namespaced ? metadata.namespace : undefined } })];
}

async function work(controller: Controller, queue: WorkQueue, context: ReconcileContext): Promise<void> {
  for (;;) {
    const key = await queue.get();
    if (key === undefined || context.signal.aborted) return;
    await step(controller, queue, context, key);
    queue.done(key);
  }
}

async function step(controller: Controller, queue: WorkQueue, context: ReconcileContext, key: string): Promise<void> {
  try {
    const result = await controller.reconcile(key, context);
    queue.forget(key);
    if (result?.restFor !== undefined) queue.rest(key, result.restFor);
    if (result?.requeueAfter !== undefined) queue.addAfter(key, result.requeueAfter);
  } catch (err) {
    if (context.signal.aborted) return;
    // Losing a race is a matter of course: the winner's change comes by the watch, and the retry sees it.
    const level = isStatusError(err, 'Conflict') ? 'debug' : 'error';
    const { namespace, name } = splitKey(key);
    const retries = queue.requeues(key);
    context.log[level](
      { err, controller: controller.name, namespace, name, retries },
      'reconciling failed; it is tried again',
    );
    queue.addRateLimited(key);
  }
}
