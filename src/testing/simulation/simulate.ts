import { createHash } from 'node:crypto';
import { seededRandom } from '../../machinery/index.ts';
import type { Client, Log } from '../../client/index.ts';
import { VirtualClock } from '../virtualclock.ts';
import { StoredState } from './cluster.ts';
import { Faults, type Profile } from './faults.ts';
import { unrest } from './rest.ts';
import { Rules } from './rules.ts';
import { User } from './user.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  seed: number;
  profile: Profile;
  /** Absent: 4. */
  nodes?: number;
  /** Virtual milliseconds in which the user acts and things go wrong; absent: 10 minutes. */
  duration?: number;
  /** Told what happens, in words. */
  tell?(line: string): void;
  /** Called at the end, when the cluster can still be looked at. */
  look?(client: Client, outcome: readonly string[]): Promise<void>;
}

export interface Outcome {
  seed: number;
  profile: string;
  /** Of rules that must always hold, and what had not come to rest; empty: all is well. */
  violations: string[];
  writes: number;
  /** Virtual milliseconds. */
  elapsed: number;
  /** Of every write, in order: the same for the same seed. */
  digest: string;
}

const betweenActs = 12_000;
/** Virtual milliseconds that everything may take to come to rest: longer than any back-off. */
const restWithin = 30 * 60_000;

export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const { seed, profile, duration = 600_000, tell = () => {} } = options;
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const began = clock.now();
  const at = (line: string) => tell(`${String(clock.now() - began).padStart(8)} ms  ${line}`);
  const faults = new Faults(profile, clock, seededRandom(seed ^ 0x5bd1e995));
  faults.on = false;
  const state = new StoredState();
  const rules = new Rules(state, faults, () => clock.now());
  const world = await World.start({
    clock,
    random,
    faults,
    nodes: options.nodes ?? 4,
    observer: rules.observer,
    log: logOf(rules),
    failed: (error) => rules.violated(`the API server failed: ${String((error as Error).stack ?? error)}`),
  });
  const digest = createHash('sha256');
  state.follow(world.store, (changed) => {
    digest.update(`${clock.now()} ${changed.resource} ${changed.key} ${changed.after ? 'put' : 'delete'}\n`);
    rules.check(changed);
  });
  await during(clock, world.addNodes());
  await clock.advance(5_000);
  const user = new User(world.client, random, world.nodes.names(), at);
  faults.on = true;
  await act({ clock, random, world, user, profile, duration, tell: at });
  faults.on = false;
  at('the faults stop');
  for (const name of world.nodes.names()) world.nodes.heal(name);
  for (const part of world.partNames()) if (!world.isRunning(part)) world.startPart(part);
  await during(clock, user.uncordonAll());
  const until = clock.now() + restWithin;
  let left = unrest(state);
  while (left.length > 0 && clock.now() < until) {
    await clock.advance(10_000);
    left = unrest(state);
  }
  for (const what of left) rules.violated(`not at rest: ${what}`);
  if (options.look) await during(clock, options.look(world.client, rules.violations));
  const elapsed = clock.now() - began;
  await world.stop();
  const violations = [...new Set(rules.violations)];
  return { seed, profile: profile.name, violations, writes: state.writes, elapsed, digest: digest.digest('hex') };
}

interface Acting {
  clock: VirtualClock;
  random: ReturnType<typeof seededRandom>;
  world: World;
  user: User;
  profile: Profile;
  duration: number;
  tell(line: string): void;
}

async function act({ clock, random, world, user, profile, duration, tell }: Acting): Promise<void> {
  const until = clock.now() + duration;
  const next = (every: number) =>
    every > 0 ? clock.now() + Math.floor(random.next() * 2 * every) : Number.POSITIVE_INFINITY;
  let userAt = next(betweenActs);
  let nodesAt = next(profile.nodeTrouble);
  let restartAt = next(profile.restarts);
  while (clock.now() < until) {
    const at = Math.min(userAt, nodesAt, restartAt, until);
    await clock.advance(at - clock.now());
    if (at === userAt) {
      await during(clock, user.act());
      userAt = next(betweenActs);
    } else if (at === nodesAt) {
      troubleNode(world, random, clock, tell);
      nodesAt = next(profile.nodeTrouble);
    } else if (at === restartAt) {
      await during(clock, restart(world, random, clock, tell));
      restartAt = next(profile.restarts);
    }
  }
}

function troubleNode(world: World, random: Acting['random'], clock: VirtualClock, tell: (line: string) => void): void {
  const names = world.nodes.names();
  const name = names[Math.floor(random.next() * names.length)]!;
  const how = random.next() < 0.5 ? 'crash' : 'cut';
  const forMilliseconds = Math.floor(random.next() * (random.next() < 0.5 ? 20_000 : 500_000));
  tell(`${how} ${name} for ${forMilliseconds} ms`);
  world.nodes[how](name);
  clock.after(forMilliseconds, () => {
    tell(`heal ${name}`);
    world.nodes.heal(name);
  });
}

async function restart(
  world: World,
  random: Acting['random'],
  clock: VirtualClock,
  tell: (line: string) => void,
): Promise<void> {
  const what = ['controllers', 'scheduler', 'apiserver'][Math.floor(random.next() * 3)]!;
  tell(`restart ${what}`);
  if (what === 'apiserver') return world.restartApiserver();
  if (!world.isRunning(what)) return;
  world.stopPart(what);
  clock.after(Math.floor(random.next() * 20_000), () => {
    if (!world.isRunning(what)) world.startPart(what);
  });
}

/** Lets time go by until this is done. */
async function during(clock: VirtualClock, doing: Promise<unknown>): Promise<void> {
  let done = false;
  let failed: unknown;
  doing.then(
    () => (done = true),
    (error: unknown) => {
      done = true;
      failed = error;
    },
  );
  while (!done) await clock.advance(1);
  if (failed !== undefined) throw failed;
}

/** A reconciler may lose a race or meet a fault; it must not stumble over itself. */
function logOf(rules: Rules): Log {
  const note = (fields: object, message: string) => {
    const { err } = fields as { err?: unknown };
    if (err instanceof TypeError || err instanceof RangeError || err instanceof ReferenceError)
      rules.violated(`${message}: ${err.stack}`);
  };
  return { debug() {}, info() {}, warn: note, error: note };
}
