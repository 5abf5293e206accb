/** Time that passes only when a test says so. */
import type { Clock, Timer } from '../../machinery/index.ts';

interface Due {
  at: number;
  order: number;
  call: () => void;
}

export interface VirtualClock extends Clock {
  /** Lets time pass; what is due runs in order, and gets turns of the event loop to act. */
  advance(milliseconds: number): Promise<void>;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

export function virtualClock(start = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = start;
  let order = 0;
  const due = new Set<Due>();
  const at = (when: number, call: () => void): Timer => {
    const entry = { at: when, order: order++, call };
    due.add(entry);
    return { cancel: () => due.delete(entry) };
  };
  const clock: VirtualClock = {
    now: () => now,
    monotonic: () => now - start,
    after: (milliseconds, call) => at(now + milliseconds, call),
    every(milliseconds, call) {
      let timer: Timer;
      const again = () => {
        timer = at(now + milliseconds, again);
        call();
      };
      timer = at(now + milliseconds, again);
      return { cancel: () => timer.cancel() };
    },
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const timer = at(now + milliseconds, resolve);
        signal?.addEventListener('abort', () => {
          timer.cancel();
          reject(signal.reason);
        });
      }),
    async advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const [next] = [...due].filter((each) => each.at <= end).toSorted((a, b) => a.at - b.at || a.order - b.order);
        if (!next) break;
        due.delete(next);
        now = Math.max(now, next.at);
        next.call();
        await settle(5);
      }
      now = end;
      await settle();
    },
  };
  return clock;
}
