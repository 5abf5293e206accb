/** The score: what each title last did is kept in the cache folder, what comes of it in `score.json`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { places } from './places.ts';
import type { Title } from './titles.ts';

export type Result = 'passed' | 'failed' | 'skipped' | 'timed out';

const file = join(places.root, 'results.json');

export function readResults(): Record<string, Result> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Result>) : {};
}

export function record(all: readonly Title[], text: string, result: Result): void {
  const results = { ...readResults(), [text]: result };
  writeFileSync(file, JSON.stringify(results, undefined, 1));
  writeScore(all, results);
}

function writeScore(all: readonly Title[], results: Record<string, Result>): void {
  const groups = Object.fromEntries(
    [...new Set(all.map(({ group }) => group))].toSorted().map((group) => {
      const own = all.filter((title) => title.group === group).map(({ text }) => text);
      const passed = own.filter((text) => results[text] === 'passed').length;
      const failing = own.filter((text) => results[text] !== undefined && results[text] !== 'passed');
      const notRun = own.filter((text) => results[text] === undefined).length;
      return [group, { passed, total: own.length, notRun, failing }];
    }),
  );
  const sum = (of: 'passed' | 'total') => Object.values(groups).reduce((total, group) => total + group[of], 0);
  const score = { suite: 'Kubernetes v1.36.0 [Conformance]', passed: sum('passed'), total: sum('total'), groups };
  writeFileSync(places.score, `${JSON.stringify(score, undefined, 2)}\n`);
}
