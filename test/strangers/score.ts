/** The score of software that this project did not write: for each suite, what passed and what did not, kept in `score.json`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Suite = 'kubectl' | 'python' | 'javascript' | 'charts';

export interface Score {
  /** What it is, and of which version. */
  suite: string;
  passed: number;
  total: number;
  failing: string[];
}

const file = fileURLToPath(new URL('score.json', import.meta.url));

/** `results`: of titles that ran now, whether they passed; titles of `all` that did not run now keep what they did the last time. */
export function record(
  name: Suite,
  suite: string,
  all: readonly string[],
  results: ReadonlyMap<string, boolean>,
): void {
  const scores = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<Suite, Score>>) : {};
  const before = scores[name]?.failing ?? all;
  const failing = all.filter((title) => !(results.get(title) ?? !before.includes(title)));
  scores[name] = { suite, passed: all.length - failing.length, total: all.length, failing };
  writeFileSync(file, `${JSON.stringify(scores, undefined, 2)}\n`);
}
