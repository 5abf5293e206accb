/**
 * The node agent: it takes the pods that are bound to its node through their whole life, from the sandbox to the last
 * container's end, keeps their status true, and registers the node itself.
 *
 * It promises: a pass over a pod can be repeated at any time; what ran before the agent was started is found again, never
 * doubled and never lost; nothing of a pod is left once the API has forgotten it. It leaves to others: how containers run
 * (`runtime/`), images and addresses (given in), scheduling, and everything about Services but their variables.
 */
export { type Kubelet, startKubelet } from './kubelet.ts';
export type { KubeletOptions, LogRotation, ServerOptions } from './options.ts';
export { podSteps } from './steps/index.ts';
export { unmountVolumes, volumePlugins } from './volumes/index.ts';
export * from './runtime/index.ts';
