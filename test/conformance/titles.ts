/** What the suite consists of: told by itself. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { places } from './places.ts';

export interface Title {
  /** As the suite prints it: groups, sentence, labels. */
  text: string;
  /** The special interest group, without `sig-`. */
  group: string;
  /** May not run beside others. */
  serial: boolean;
}

interface Report {
  SpecReports: { ContainerHierarchyTexts: string[] | null; LeafNodeType: string; LeafNodeText: string }[];
}

export function titles(): Title[] {
  mkdirSync(places.runs, { recursive: true });
  const file = join(places.runs, `titles-${process.pid}.json`);
  const flags = ['--ginkgo.dry-run', '--ginkgo.focus=\\[Conformance\\]', `--ginkgo.json-report=${file}`];
  execFileSync(join(places.bin, 'e2e.test'), flags, { stdio: 'ignore', maxBuffer: 1 << 28 });
  const reports = JSON.parse(readFileSync(file, 'utf8')) as Report[];
  rmSync(file);
  return reports
    .flatMap(({ SpecReports }) => SpecReports)
    .filter(({ LeafNodeType }) => LeafNodeType === 'It')
    .map(({ ContainerHierarchyTexts, LeafNodeText }) => [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' '))
    .filter((text) => text.includes('[Conformance]'))
    .map((text) => ({
      text,
      group: /\[sig-([a-z-]+)\]/.exec(text)?.[1] ?? 'none',
      serial: text.includes('[Serial]'),
    }))
    .toSorted((a, b) => (a.text < b.text ? -1 : 1));
}
