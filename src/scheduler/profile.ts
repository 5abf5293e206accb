/** A set of plugins under a scheduler's name, sorted by what they do, so that an attempt asks only those that have an answer. */
import type { Plugin } from './framework.ts';

export interface Profile {
  /** What pods give as `spec.schedulerName`. */
  readonly name: string;
  /** In the order in which they are asked. */
  readonly plugins: readonly Plugin[];
  /** 0: by the number of nodes, as upstream. */
  readonly percentageOfNodesToScore: number;
  readonly localFilters: readonly Plugin[];
  readonly localScorers: readonly Plugin[];
  readonly otherPlugins: readonly Plugin[];
  readonly otherScorers: readonly Plugin[];
  readonly postFilters: readonly Plugin[];
  readonly reservers: readonly Plugin[];
  readonly permitters: readonly Plugin[];
  readonly binders: readonly Plugin[];
  /** Knows which pods are placed together. */
  readonly grouping: Plugin | undefined;
}

/**
 * `filtering` and `scoring`: the plugins that take part in it, when not all do. A weight is the one of `scoring`.
 */
export function newProfile(
  name: string,
  plugins: readonly Plugin[],
  percentageOfNodesToScore = 0,
  filtering: readonly Plugin[] = plugins,
  scoring: readonly Plugin[] = plugins,
): Profile {
  const looks = (plugin: Plugin) => plugin.preFilter !== undefined || plugin.filter !== undefined;
  return {
    name,
    plugins,
    percentageOfNodesToScore,
    localFilters: filtering.filter((plugin) => plugin.local && looks(plugin)),
    localScorers: scoring.filter((plugin) => plugin.local && plugin.score !== undefined),
    otherPlugins: filtering.filter((plugin) => !plugin.local && looks(plugin)),
    otherScorers: scoring.filter((plugin) => !plugin.local && plugin.score !== undefined),
    postFilters: plugins.filter((plugin) => plugin.postFilter !== undefined),
    reservers: plugins.filter((plugin) => plugin.reserve !== undefined || plugin.unreserve !== undefined),
    permitters: plugins.filter((plugin) => plugin.permit !== undefined),
    grouping: plugins.find((plugin) => plugin.groupOf !== undefined),
    binders: plugins.filter((plugin) => plugin.preBind !== undefined),
  };
}
