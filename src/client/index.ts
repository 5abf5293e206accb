/**
 * Reads and writes of any Kubernetes API, and what controllers are made of: informers (a cache that follows a watch), work
 * queues, the controller kit, events, leader election. It speaks only the API, so whatever is built on it runs against any
 * conformant server, in this process or across machines. It knows nothing of particular kinds (but Event and Lease), and
 * leaves deciding to its users.
 */
export * from './client.ts';
export { localClient, type LocalRequest, type LocalServer } from './local.ts';
export { Informer, type EventHandler, type InformerOptions, type InformerSelection } from './informer.ts';
export { Informers, type InformersOptions } from './informers.ts';
export type { Lister, Selection } from './objectcache.ts';
export { writeThrough } from './writethrough.ts';
export { WorkQueue, type WorkQueueOptions } from './workqueue.ts';
export {
  type Controller,
  type ReconcileContext,
  type Result,
  runControllers,
  type RunningControllers,
  type RunOptions,
  type Watched,
} from './controller.ts';
export {
  type EventRecorder,
  type EventRecorderOptions,
  eventRecorder,
  type EventType,
  type Regarding,
} from './events.ts';
export { Backoff, type BackoffOptions } from './backoff.ts';
export { type Log, quiet } from './log.ts';
export { httpsClient, type HttpsClient } from './https/index.ts';
export { ConnectionError, type ServerOptions, type TransportRequest } from './https/transport.ts';
export {
  inClusterConfig,
  KubeconfigError,
  type KubeconfigOptions,
  loadKubeconfig,
  parseKubeconfig,
  type ServerConfig,
} from './kubeconfig.ts';
export { type LeaderElectionOptions, runLeaderElection } from './leaderelection.ts';
