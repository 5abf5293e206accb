/**
 * The scheduler: gives every pod that has none a node, the best of those where it can run, and says why when there is none; evicts the less
 * important when that makes room for the more important. It speaks only the API: it watches pods and nodes and what plugins ask for, and binds.
 * Pods that name a scheduler that is no profile of this one are left to it.
 */
export { runScheduler, type RunningScheduler, type SchedulerOptions } from './scheduler.ts';
export type { ExtenderConfiguration, ProfileConfiguration, SchedulerConfiguration } from './config.ts';
