/**
 * A whole cluster inside a test process: `await using cluster = await startCluster()`. The API server, the controllers and the scheduler are the
 * real ones; the store is in memory and time is virtual. For this project's own component tests, and for anybody who writes an operator.
 */
export { type Cluster, type ClusterOptions, startCluster } from './cluster.ts';
export { settle, turn, VirtualClock } from './virtualclock.ts';
