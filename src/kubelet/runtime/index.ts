/**
 * What runs containers, behind one seam: the drivers `oci` (crun, runc, any OCI runtime; root on Linux), `process` (plain
 * processes, no privileges, any system) and `sim` (no processes, for scale). It promises the contract of `runtime.ts`, which
 * `runtime.suite.ts` holds every driver to: verbs may be repeated, and containers outlive the process that started them and
 * are found again. It leaves to others what pods are, when their containers run, their images (`ImageService`) and their
 * addresses (`PodNetwork`).
 */
export * from './runtime.ts';
export * from './services.ts';
export { type OciOptions, ociRuntime } from './oci/setup.ts';
export { type ProcessOptions, processRuntime } from './process/runtime.ts';
export { type SimOptions, simRuntime } from './sim.ts';
export { type LogEntry, type LogOptions, parseLogLine, readLog } from './logs.ts';
/** Also for who runs a command in an image's files without a pod: the builder. */
export { type ResolvedUser, resolveUser } from './user.ts';
