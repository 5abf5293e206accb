/** KubeSchedulerConfiguration, kubescheduler.config.k8s.io/v1: profiles, their plugins and the plugins' arguments. */
import type { Plugin } from './framework.ts';
import type { Handle } from './handle.ts';
import { builtIn, optional, plugins as standard } from './plugins/index.ts';
import { newProfile, type Profile } from './profile.ts';

interface NamedPlugin {
  name: string;
  weight?: number;
}

interface PluginSet {
  enabled?: readonly NamedPlugin[];
  disabled?: readonly { name: string }[];
}

export interface ProfileConfiguration {
  /** Absent: default-scheduler. */
  schedulerName?: string;
  /** By extension point; `multiPoint` is all of them. */
  plugins?: Readonly<Record<string, PluginSet>>;
  pluginConfig?: readonly { name: string; args?: object }[];
  percentageOfNodesToScore?: number;
}

export interface ExtenderConfiguration {
  urlPrefix: string;
  filterVerb?: string;
  prioritizeVerb?: string;
  bindVerb?: string;
  preemptVerb?: string;
  /** What its scores, 0 … 10, are multiplied with. */
  weight?: number;
  /** As `30s`, or in milliseconds. Absent: 5 s. */
  httpTimeout?: string | number;
  nodeCacheCapable?: boolean;
  managedResources?: readonly { name: string; ignoredByScheduler?: boolean }[];
  /** Its failure is not the pod's. */
  ignorable?: boolean;
}

export interface SchedulerConfiguration {
  apiVersion?: string;
  kind?: string;
  profiles?: readonly ProfileConfiguration[];
  extenders?: readonly ExtenderConfiguration[];
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
}

const known = { ...standard, ...optional };

export const defaultName = 'default-scheduler';

/** `podGroups`: what is optional is on. Throws an error that names the field, for a configuration that cannot be. */
export function profilesOf(
  configuration: SchedulerConfiguration,
  handle: Handle,
  podGroups = false,
): Map<string, Profile> {
  const { apiVersion, kind, profiles = [{}] } = configuration;
  if (apiVersion !== undefined && apiVersion !== 'kubescheduler.config.k8s.io/v1')
    throw new Error(`apiVersion: ${apiVersion} is not known: write kubescheduler.config.k8s.io/v1`);
  if (kind !== undefined && kind !== 'KubeSchedulerConfiguration')
    throw new Error(`kind: ${kind} is not known: write KubeSchedulerConfiguration`);
  const found = new Map<string, Profile>();
  for (const [i, profile] of profiles.entries()) {
    const { schedulerName = defaultName } = profile;
    if (found.has(schedulerName)) throw new Error(`profiles[${i}].schedulerName: ${schedulerName} is there twice`);
    const percentage = profile.percentageOfNodesToScore ?? configuration.percentageOfNodesToScore ?? 0;
    if (percentage < 0 || percentage > 100)
      throw new Error(`profiles[${i}].percentageOfNodesToScore: ${percentage} is not within 0 and 100`);
    found.set(schedulerName, build(profile, percentage, handle, podGroups ? known : standard, `profiles[${i}]`));
  }
  return found;
}

function build(
  profile: ProfileConfiguration,
  percentage: number,
  handle: Handle,
  defaults: Readonly<Record<string, unknown>>,
  where: string,
): Profile {
  const { schedulerName = defaultName, plugins: sets = {}, pluginConfig = [] } = profile;
  for (const set of Object.values(sets))
    for (const { name } of set.enabled ?? [])
      if (!(name in known) && !builtIn.has(name)) throw new Error(`${where}.plugins: there is no plugin ${name}`);
  for (const { name } of pluginConfig)
    if (!(name in known) && !builtIn.has(name)) throw new Error(`${where}.pluginConfig: there is no plugin ${name}`);
  const args = new Map(pluginConfig.map((one) => [one.name, one.args]));
  const made = new Map<string, Plugin>();
  const make = (name: string) => {
    let plugin = made.get(name);
    if (plugin === undefined) made.set(name, (plugin = known[name]!(args.get(name) ?? {}, handle)));
    return plugin;
  };
  const all = merge(
    Object.keys(defaults).map((name) => ({ name })),
    sets.multiPoint,
  );
  const at = (points: readonly string[]) => {
    const list = points.reduce((names, point) => merge(names, sets[point]), all);
    return list.map(({ name, weight }) => (weight ? { ...make(name), weight } : make(name)));
  };
  const everywhere = at(['preEnqueue', 'postFilter', 'reserve', 'permit', 'preBind']);
  const filtering = at(['preFilter', 'filter']);
  const scoring = at(['preScore', 'score']);
  const named = new Map([...everywhere, ...filtering, ...scoring].map((plugin) => [plugin.name, plugin]));
  return newProfile(schedulerName, [...named.values()], percentage, filtering, scoring);
}

function merge(names: readonly NamedPlugin[], set: PluginSet = {}): NamedPlugin[] {
  const disabled = new Set(set.disabled?.map((one) => one.name));
  const enabled = (set.enabled ?? []).filter((one) => !builtIn.has(one.name));
  const again = new Map(enabled.map((one) => [one.name, one]));
  const kept = names.filter((one) => !disabled.has('*') && !disabled.has(one.name));
  const here = new Set(kept.map((one) => one.name));
  return [
    ...kept.map((one) => (again.get(one.name)?.weight ? again.get(one.name)! : one)),
    ...enabled.filter((one) => !here.has(one.name)),
  ];
}
