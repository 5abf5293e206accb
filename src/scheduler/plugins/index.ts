/** The plugins, in the order in which they are asked. */
import type { PluginFactory } from '../handle.ts';
import { defaultPreemption } from './defaultpreemption.ts';
import { dynamicResources } from './dynamicresources/index.ts';
import { gangScheduling } from './gangscheduling.ts';
import { imageLocality } from './imagelocality.ts';
import { interPodAffinity } from './interpodaffinity.ts';
import { nodeAffinity } from './nodeaffinity.ts';
import { nodeName } from './nodename.ts';
import { nodePorts } from './nodeports.ts';
import { nodeResourcesBalancedAllocation, nodeResourcesFit } from './noderesources.ts';
import { nodeUnschedulable } from './nodeunschedulable.ts';
import { nodeVolumeLimits } from './nodevolumelimits.ts';
import { podTopologySpread } from './podtopologyspread.ts';
import { schedulingGates } from './schedulinggates.ts';
import { taintToleration } from './tainttoleration.ts';
import { volumeBinding } from './volumebinding.ts';
import { volumeRestrictions } from './volumerestrictions.ts';
import { volumeZone } from './volumezone.ts';

export const plugins: Readonly<Record<string, PluginFactory>> = {
  SchedulingGates: schedulingGates,
  NodeUnschedulable: nodeUnschedulable,
  NodeName: nodeName,
  TaintToleration: taintToleration,
  NodeAffinity: nodeAffinity,
  NodePorts: nodePorts,
  NodeResourcesFit: nodeResourcesFit,
  VolumeRestrictions: volumeRestrictions,
  NodeVolumeLimits: nodeVolumeLimits,
  VolumeBinding: volumeBinding,
  VolumeZone: volumeZone,
  DynamicResources: dynamicResources,
  PodTopologySpread: podTopologySpread,
  InterPodAffinity: interPodAffinity,
  DefaultPreemption: defaultPreemption,
  NodeResourcesBalancedAllocation: nodeResourcesBalancedAllocation,
  ImageLocality: imageLocality,
};

/** Only where a profile or whoever starts the scheduler enables them: what they lean on is alpha, and not every cluster serves it. */
export const optional: Readonly<Record<string, PluginFactory>> = {
  GangScheduling: gangScheduling,
};

/** Part of every profile upstream, and of this scheduler itself: naming them changes nothing. */
export const builtIn: ReadonlySet<string> = new Set(['PrioritySort', 'DefaultBinder']);
