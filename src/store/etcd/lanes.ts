/** Which transactions may be under way together: those that have no key in common. */
import type { Transaction } from '../store.ts';

export class Lanes {
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #single: boolean;

  /** `single`: all in one lane. */
  constructor(single: boolean) {
    this.#single = single;
  }

  /** Runs after every earlier one that shares a key. */
  run<T>(transaction: Transaction, call: () => Promise<T>): Promise<T> {
    const keys = this.#single ? [''] : keysOf(transaction);
    const before = keys.map((key) => this.#last.get(key)).filter((one) => one !== undefined);
    const running = before.length === 0 ? call() : Promise.allSettled(before).then(call);
    for (const key of keys) this.#last.set(key, running);
    const leave = () => {
      for (const key of keys) if (this.#last.get(key) === running) this.#last.delete(key);
    };
    running.then(leave, leave);
    return running;
  }
}

function keysOf({ compare, writes }: Transaction): string[] {
  if (compare.length <= 1 && writes.length === 1 && (compare[0]?.key ?? writes[0]!.key) === writes[0]!.key)
    return [writes[0]!.key];
  const keys = new Set<string>();
  for (const { key } of compare) keys.add(key);
  for (const { key } of writes) keys.add(key);
  return [...keys];
}
