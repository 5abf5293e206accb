/** The score of software that this project did not write: for each suite, what passed and what did not, kept in `score.json`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Suite = 'kubectl' | 'python' | 'javascript' | 'charts';

export interface Score {
  /** What it is, and of which version. */
  suite: string;
  passed: number;
  total: number;
  /** By title, why as far as it is known. */
  failing: Record<string, string>;
}

const file = fileURLToPath(new URL('score.json', import.meta.url));

/** `results`: of titles that ran now, what kept them from passing ('': nothing did); others keep what they did the last time. */
export function record(name: Suite, suite: string, all: readonly string[], results: ReadonlyMap<string, string>): void {
  const scores = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<Suite, Score>>) : {};
  const known = scores[name]?.failing;
  const whyOf = (title: string) => results.get(title) ?? (known === undefined ? 'never run' : (known[title] ?? ''));
  const failing = all.map((title) => [title, whyOf(title)] as const).filter(([, why]) => why !== '');
  scores[name] = {
    suite,
    passed: all.length - failing.length,
    total: all.length,
    failing: Object.fromEntries(failing),
  };
  writeFileSync(file, `${JSON.stringify(scores, undefined, 2)}\n`);
}
