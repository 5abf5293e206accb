/** The user's own kubeconfig: gets a context named `glasshouse` while the cluster is up, and is left as it was found. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { dump, load } from 'js-yaml';
import type { Places } from './places.ts';

const name = 'glasshouse';

interface Config {
  [field: string]: unknown;
  clusters?: { name: string }[];
  users?: { name: string }[];
  contexts?: { name: string }[];
  'current-context'?: string;
}

interface Merged {
  file: string;
  /** The file as it was; undefined: there was none. */
  before?: string;
  /** As it was left by us. */
  after: string;
}

function userFile(): string {
  const first = process.env.KUBECONFIG?.split(delimiter).find((path) => path !== '');
  return first ?? join(homedir(), '.kube', 'config');
}

export function mergeKubeconfig(places: Places, kubeconfig: string): void {
  unmergeKubeconfig(places);
  const file = userFile();
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  const theirs = withoutOurs(parse(before ?? ''));
  const ours = load(kubeconfig) as Config;
  const after = dump({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    ...theirs,
    clusters: [...(theirs.clusters ?? []), ...(ours.clusters ?? [])],
    users: [...(theirs.users ?? []), ...(ours.users ?? [])],
    contexts: [...(theirs.contexts ?? []), ...(ours.contexts ?? [])],
    'current-context': name,
  });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replace(file, after);
  replace(places.merged, JSON.stringify({ file, before, after } satisfies Merged));
}

export function unmergeKubeconfig(places: Places): void {
  if (!existsSync(places.merged)) return;
  const { file, before, after } = JSON.parse(readFileSync(places.merged, 'utf8')) as Merged;
  const now = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (now === after) {
    if (before === undefined) rmSync(file, { force: true });
    else replace(file, before);
  } else if (now !== undefined) {
    // somebody changed it meanwhile: only what is ours goes
    const config = withoutOurs(parse(now));
    if (config['current-context'] === name) {
      const previous = before === undefined ? undefined : parse(before)['current-context'];
      config['current-context'] = previous ?? '';
    }
    replace(file, dump(config));
  }
  rmSync(places.merged, { force: true });
}

function parse(text: string): Config {
  return text.trim() === '' ? {} : ((load(text) ?? {}) as Config);
}

function withoutOurs(config: Config): Config {
  const others = (list: { name: string }[] | undefined) => list?.filter((one) => one.name !== name);
  return {
    ...config,
    clusters: others(config.clusters),
    users: others(config.users),
    contexts: others(config.contexts),
  };
}

/** Whole or not at all. */
function replace(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, file);
}
