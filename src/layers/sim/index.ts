/**
 * Simulated nodes: objects and timers, no machines. They register themselves, renew their leases, and take the pods bound to them through
 * their lives, each step after a while that the clock passed in measures. Thousands fit into one process, as all share one watch of nodes' pods
 * and nothing of a pod is kept but where it is in its life.
 *
 * It speaks only the Kubernetes API, so that it can stand beside any control plane. What a pod does is said by annotations:
 *
 * - `sim.glasshouse.dev/pull-milliseconds`: how long pulling each image takes that its node does not have yet (default: 0).
 * - `sim.glasshouse.dev/start-milliseconds`: how long starting takes (default: 5 to 20).
 * - `sim.glasshouse.dev/run-milliseconds`: its containers end by themselves after so long (default: never).
 * - `sim.glasshouse.dev/exit-code`: with which code (default: 0).
 * - `sim.glasshouse.dev/stop-milliseconds`: how long it takes to heed the stop signal (default: 1).
 *
 * Instead, or for other kinds too, KWOK's Stages may say what becomes of objects (`stages`).
 *
 * It leaves to others: programs, images, volumes, probes (what runs is ready), and Services.
 */
export { type SimOptions, SimulatedNodes } from './nodes.ts';
export type { Observer, Timings } from './machine.ts';
export { isStage, parseGoDuration, StageError } from './stages/index.ts';
export { type Loaded, loadRecorded } from './recorded/index.ts';
export { checkStages } from './stagedlife.ts';
