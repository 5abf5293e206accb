/** Time that stands still until a test moves it. */
import { VirtualClock as SettlingClock } from '../machinery/index.ts';

/** Lets everything that is ready to run do so: promises, and callbacks that were handed to the event loop. */
export async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

export class VirtualClock extends SettlingClock {
  /** `grain`: what is due within so many milliseconds happens together; absent: one by one. */
  constructor(start = Date.UTC(2026, 0, 1), grain = 0) {
    super({ start, settle, grain });
  }
}

const external = new Set(['FSReqPromise', 'FSReqCallback', 'ProcessWrap']);
const patience = 5_000;

/**
 * Lets what is under way come to rest before time moves on: a chain of writes and watches needs a few turns of the event loop, files and
 * child processes as long as they take.
 */
export async function settle(turns = 4): Promise<void> {
  const until = performance.now() + patience;
  for (let quiet = 0; quiet < turns; quiet++) {
    await turn();
    if (!process.getActiveResourcesInfo().some((name) => external.has(name))) continue;
    if (performance.now() > until) return;
    quiet = -1;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
