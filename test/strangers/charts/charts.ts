/** Charts as their authors published them, each with what it depends on beside it, taken from the same repositories. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { places, repositories } from './places.ts';

interface Metadata {
  type?: string;
  dependencies?: { name: string; repository?: string }[];
}

export interface Chart {
  /** Repository and chart, as `bitnami/redis`. */
  readonly title: string;
  readonly name: string;
  readonly folder: string;
}

/** Fetches helm and the repositories that are not there yet, and lists their charts. */
export function fetchCharts(): Chart[] {
  mkdirSync(places.bin, { recursive: true });
  if (!existsSync(places.helm))
    execFileSync('go', ['install', 'helm.sh/helm/v3/cmd/helm@v3.22.0'], {
      env: { ...process.env, GOBIN: places.bin },
      stdio: 'inherit',
    });
  return repositories.flatMap(({ owner, name, folder }) => {
    const clone = join(places.root, `${owner}_${name}`);
    if (!existsSync(clone))
      execFileSync('git', ['clone', '--quiet', '--depth', '1', `https://github.com/${owner}/${name}`, clone], {
        stdio: 'inherit',
      });
    if (existsSync(join(clone, folder, 'Chart.yaml'))) return [{ title: `${owner}/${name}`, name, folder: clone }];
    return readdirSync(join(clone, folder))
      .filter((chart) => existsSync(join(clone, folder, chart, 'Chart.yaml')))
      .map((chart) => ({ title: `${owner}/${chart}`, name: chart, folder: join(clone, folder, chart) }));
  });
}

export function metadataOf(folder: string): Metadata {
  return load(readFileSync(join(folder, 'Chart.yaml'), 'utf8')) as Metadata;
}

/**
 * Copies a chart with all that it depends on.
 *
 * @returns the dependency that none of the repositories has; undefined: it is whole
 */
export function copyWhole(from: string, to: string, charts: readonly Chart[]): string | undefined {
  cpSync(from, to, { recursive: true });
  // pins what lies elsewhere; what is here is what is beside it
  rmSync(join(to, 'Chart.lock'), { force: true });
  for (const { name, repository = '' } of metadataOf(to).dependencies ?? []) {
    const into = join(to, 'charts', name);
    if (existsSync(into)) continue;
    const found = repository.startsWith('file://')
      ? join(from, repository.slice('file://'.length))
      : charts.find((one) => one.name === name)?.folder;
    if (found === undefined || !existsSync(found)) return name;
    const missing = copyWhole(found, into, charts);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
