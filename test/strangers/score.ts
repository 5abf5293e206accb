/** The score of software that this project did not write: for each suite, what passed and what did not, kept in `score.json`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Suite = 'kubectl' | 'python' | 'javascript' | 'charts';

export interface Choice {
  /** Parts of titles; none: all. */
  readonly parts: readonly string[];
  /** Only what did not pass the last time, or was never run. */
  readonly failing: boolean;
  /** Only what was never run. */
  readonly untried: boolean;
}

export interface Score {
  /** What it is, and of which version. */
  suite: string;
  passed: number;
  skipped: number;
  total: number;
  passing?: string[];
  /** By title, why it did not pass, as far as it is known; what was skipped begins with that word. */
  failing: Record<string, string>;
}

const file = fileURLToPath(new URL('score.json', import.meta.url));
const neverRun = 'never run';

function readScores(): Partial<Record<Suite, Score>> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<Suite, Score>>) : {};
}

/** What kept a title from passing the last time it ran ('': nothing did). */
export function lastResults(name: Suite): (title: string) => string {
  const { passing, failing = {} }: Partial<Score> = readScores()[name] ?? { passing: [] };
  // older scores do not say what passed: all the rest
  return (title) => failing[title] ?? (passing?.includes(title) === false ? neverRun : '');
}

/** `results`: of titles that ran now, what kept them from passing ('': nothing did); others keep what they did the last time. */
export function record(name: Suite, suite: string, all: readonly string[], results: ReadonlyMap<string, string>): void {
  const last = lastResults(name);
  const outcomes = all.map((title) => [title, results.get(title) ?? last(title)] as const);
  const failing = outcomes.filter(([, why]) => why !== '');
  const score: Score = {
    suite,
    passed: all.length - failing.length,
    skipped: failing.filter(([, why]) => isSkipped(why)).length,
    total: all.length,
    passing: outcomes.filter(([, why]) => why === '').map(([title]) => title),
    failing: Object.fromEntries(failing),
  };
  writeFileSync(file, `${JSON.stringify({ ...readScores(), [name]: score }, undefined, 2)}\n`);
}

export function isSkipped(why: string): boolean {
  return why.startsWith('skipped');
}

export function chosenOf(name: Suite, titles: readonly string[], { parts, failing, untried }: Choice): string[] {
  const last = lastResults(name);
  return titles
    .filter((title) => parts.length === 0 || parts.some((part) => title.includes(part)))
    .filter((title) => !failing || last(title) !== '')
    .filter((title) => !untried || last(title) === neverRun);
}
