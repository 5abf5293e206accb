import { BudgetExceeded } from './failure.ts';

/** What one evaluation works on. */
export interface Frame {
  /** Variables by number: those of the environment that the expression names, then those of its loops. */
  readonly slots: unknown[];
  cost: number;
  readonly limit: number;
}

export type Run = (frame: Frame) => unknown;

/** Adds what may be much, and stops the evaluation beyond its limit. */
export function charge(frame: Frame, cost: number): void {
  frame.cost += cost;
  if (frame.cost > frame.limit) throw new BudgetExceeded();
}

export interface Code {
  readonly run: Run;
  /** Set when the value is known before. */
  readonly constant?: { readonly value: unknown };
}

export const constant = (value: unknown): Code => ({ run: () => value, constant: { value } });
