/** What is looked up when somebody asks: the process, its build, and how much is stored. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { MetricSet } from '../machinery/index.ts';
import type { Caches } from './cache/index.ts';
import type { Resources } from './resources.ts';

/** `startedAt`: milliseconds since the epoch. */
export function tellOfProcess(set: MetricSet, startedAt: number): void {
  const gauge = (name: string, help: string, read: () => number) =>
    set.read(name, 'gauge', help, [], () => [[[], read()]]);
  set.read('process_cpu_seconds_total', 'counter', 'CPU time of the process', [], () => {
    const { user, system } = process.cpuUsage();
    return [[[], (user + system) / 1e6]];
  });
  gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  gauge('process_start_time_seconds', 'When the process started, since the epoch', () => startedAt / 1000);
  if (!existsSync('/proc/self/limits')) return;
  gauge('process_open_fds', 'Open files and sockets', () => readdirSync('/proc/self/fd').length);
  gauge('process_max_fds', 'Files and sockets that may be open', () => {
    const [, soft] = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft) || Number.POSITIVE_INFINITY;
  });
  gauge('process_virtual_memory_bytes', 'Address space of the process', () => {
    const [pages] = readFileSync('/proc/self/statm', 'utf8').split(' ');
    return Number(pages) * 4096;
  });
}

export function tellOfBuild(set: MetricSet, version: Readonly<Record<string, string>>): void {
  const labels = {
    build_date: 'buildDate',
    compiler: 'compiler',
    git_commit: 'gitCommit',
    git_tree_state: 'gitTreeState',
    git_version: 'gitVersion',
    go_version: 'goVersion',
    major: 'major',
    minor: 'minor',
    platform: 'platform',
  };
  const values = Object.values(labels).map((name) => version[name] ?? '');
  set
    .gauge('kubernetes_build_info', 'The version that runs', Object.keys(labels))
    .with(...values)
    .set(1);
}

/** How many objects there are of all that has been asked for since the start. */
export function tellOfStored(set: MetricSet, resources: Resources, caches: Caches, revision: () => number): void {
  const each = function* (labelsOf: (group: string, resource: string) => string[]) {
    const told = new Set<string>();
    for (const { prefix, kind } of resources.all()) {
      const cache = prefix === '' || told.has(prefix) ? undefined : caches.known(prefix);
      if (cache === undefined) continue;
      told.add(prefix);
      yield [labelsOf(kind.group, kind.resource), cache.entries.size] as const;
    }
  };
  set.read('apiserver_resource_objects', 'gauge', 'Objects that are stored', ['group', 'resource'], () =>
    each((group, resource) => [group, resource]),
  );
  set.read('apiserver_storage_objects', 'gauge', 'Objects that are stored', ['resource'], () =>
    each((group, resource) => [group === '' ? resource : `${resource}.${group}`]),
  );
  set.read('apiserver_store_revision', 'gauge', 'The revision of the store', [], () => [[[], revision()]]);
}
