/** One container from its specification to its running process: back-off, image, configuration, creation, start, hook. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatDuration } from './backoff.ts';
import { makeEnv } from './env.ts';
import { expand } from './expand.ts';
import { PullError, ensureImage } from './imagepull.ts';
import type { Container } from './kinds.ts';
import { killContainer } from './kill.ts';
import { annotation, containerHash, describePod, podLabels, label } from './labels.ts';
import { makeMounts } from './mounts.ts';
import type { Start } from './plan.ts';
import { runHandler } from './probes/index.ts';
import { containerResources } from './resources.ts';
import { resourcesText } from './resize.ts';
import type { ContainerConfig, SandboxStatus } from './runtime/runtime.ts';
import { RuntimeError } from './runtime/runtime.ts';
import type { Image } from './runtime/services.ts';
import { securityOf } from './security.ts';
import { serviceEnv } from './servicelinks.ts';
import { latest, readySandbox } from './truth.ts';
import { readText } from './volumes/read.ts';
import { type Work, podLogDirectory } from './work.ts';

/** Longest that a postStart hook may take, in milliseconds; upstream has no limit but the pod's end. */
const hookLimit = 24 * 3600 * 1000;

/** Never rejects for what a user can see as a waiting reason; returns whether the container runs. */
export async function startContainer(work: Work, { container, kind }: Start, sandbox: SandboxStatus): Promise<boolean> {
  if (kind !== 'ephemeral' && inBackoff(work, container)) return false;
  let step = 'CreateContainerConfigError';
  try {
    const image = await ensureImage(work, container);
    work.signal.throwIfAborted();
    const config = await containerConfig(work, container, image);
    await mkdir(dirname(config.logPath), { recursive: true, mode: 0o755 });
    work.signal.throwIfAborted();
    step = 'CreateContainerError';
    const id = await work.shared.context.runtime.createContainer(sandbox.id, config);
    work.event('Normal', 'Created', 'Container created', container);
    step = 'RunContainerError';
    await begin(work, container, id);
    work.waiting.delete(container.name);
    return true;
  } catch (error) {
    if (work.signal.aborted) return false;
    explain(work, container, step, error);
    // The sandbox may have died under the container: then the plan is another one.
    await work.touchSandbox(sandbox.id);
    if (readySandbox(work.truth)?.id !== sandbox.id) work.again();
    return false;
  } finally {
    work.publish();
  }
}

function inBackoff(work: Work, container: Container): boolean {
  const before = latest(work.truth, container.name);
  if (before?.state !== 'Exited') return false;
  const since = before.finishedAt || before.createdAt;
  const until = work.crashBackoff.until(container.name, since);
  if (until === undefined) {
    work.crashBackoff.next(container.name, since);
    return false;
  }
  const wait = formatDuration(work.crashBackoff.get(container.name));
  const message = `back-off ${wait} restarting failed container=${container.name} pod=${describePod(work.pod)}`;
  if (work.waiting.get(container.name)?.message !== message) {
    work.event(
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${container.name} in pod ${describePod(work.pod)}`,
      container,
    );
  }
  work.waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
  work.wakeAt(until);
  work.publish();
  return true;
}

function explain(work: Work, container: Container, step: string, error: unknown): void {
  const { clock, log } = work.shared.context;
  const message = (error as Error).message;
  if (error instanceof PullError) {
    work.waiting.set(container.name, { reason: error.reason, message });
    if (!error.known && error.reason !== 'ImagePullBackOff')
      work.event('Warning', 'Failed', `Error: ${error.reason}`, container);
    work.wakeAt(error.retryAt ?? clock.now() + 10_000);
    return;
  }
  const reason = error instanceof RuntimeError && /Container/.test(error.reason) ? error.reason : step;
  log.warn(
    { pod: work.pod.metadata.name, container: container.name, reason, error: message },
    'cannot start a container',
  );
  work.waiting.set(container.name, { reason, message });
  work.event('Warning', 'Failed', `Error: ${message}`, container);
  work.wakeAt(clock.now() + 10_000);
}

async function begin(work: Work, container: Container, id: string): Promise<void> {
  const { runtime } = work.shared.context;
  const hook = container.lifecycle?.postStart;
  if (hook) work.hooking.add(id);
  try {
    await runtime.startContainer(id);
  } catch (error) {
    work.hooking.delete(id);
    await work.touchContainer(id);
    // A container that could not be started counts as one that ended: the next try waits, and gets the next number.
    if (latest(work.truth, container.name)?.state === 'Created') await runtime.removeContainer(id).catch(() => {});
    await work.touchContainer(id);
    throw error;
  }
  work.event('Normal', 'Started', 'Container started', container);
  await work.touchContainer(id);
  if (!hook) return;
  await postStart(work, container, id);
}

async function postStart(work: Work, container: Container, id: string): Promise<void> {
  const { runtime, clock } = work.shared.context;
  const host = work.facts().podIPs[0] ?? '127.0.0.1';
  const target = { runtime, clock, container, containerId: id, host };
  let failure = '';
  try {
    const outcome = await runHandler(container.lifecycle?.postStart ?? {}, target, hookLimit, work.signal);
    if (!outcome.ok) failure = outcome.output || 'it failed';
  } catch (error) {
    failure = (error as Error).message;
  }
  work.hooking.delete(id);
  if (failure === '' || work.signal.aborted) {
    work.probes.hookDone(id);
    return;
  }
  work.event('Warning', 'FailedPostStartHook', 'PostStartHook failed', container);
  const status = latest(work.truth, container.name);
  if (status) await killContainer(work, status, container, { message: 'FailedPostStartHook' });
  throw new RuntimeError('RunContainerError', `PostStartHook failed: ${failure}`);
}

async function containerConfig(work: Work, container: Container, image: Image): Promise<ContainerConfig> {
  const { shared, pod, truth } = work;
  const security = securityOf(pod, container, image);
  const before = latest(truth, container.name);
  const attempt = before ? before.metadata.attempt + 1 : restartCountTold(work, container);
  const env = await environment(work, container, image);
  const { mounts, terminationLog } = await makeMounts(work, container, attempt, env);
  const values = new Map(env.map(({ name, value }) => [name, value]));
  const expanded = (text: string) => expand(text, (name) => values.get(name));
  const entry = container.command?.length ? container.command.map(expanded) : image.entrypoint;
  const ownArgs = container.args?.length ? container.args.map(expanded) : undefined;
  const command = [...entry, ...(ownArgs ?? (container.command?.length ? [] : image.cmd))];
  if (command.length === 0)
    throw new Error(`no command specified: neither container ${container.name} nor its image names one`);
  return {
    metadata: { name: container.name, attempt },
    image: container.image ?? '',
    command,
    workingDir: container.workingDir || image.workingDir || '/',
    env,
    mounts,
    labels: { ...podLabels(pod), [label.containerName]: container.name },
    annotations: {
      [annotation.hash]: containerHash(container),
      [annotation.restartCount]: String(attempt),
      [annotation.terminationMessagePath]: container.terminationMessagePath || '/dev/termination-log',
      [annotation.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
      [annotation.terminationLog]: terminationLog,
      [annotation.resources]: resourcesText(work, container),
      [annotation.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
    },
    logPath: `${podLogDirectory(shared.context.directory, pod)}/${container.name}/${attempt}.log`,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    security,
    resources: containerResources(pod, container, shared.memory),
    stopSignal:
      (container.lifecycle as { stopSignal?: string } | undefined)?.stopSignal || image.stopSignal || 'SIGTERM',
  };
}

/** The runtime knows nothing of it, but the API may: after the sandbox was lost, counting goes on. */
function restartCountTold(work: Work, container: Container): number {
  const { containerStatuses = [], initContainerStatuses = [] } = work.pod.status ?? {};
  const told = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container.name);
  return told?.containerID ? told.restartCount + 1 : 0;
}

async function environment(work: Work, container: Container, image: Image): Promise<{ name: string; value: string }[]> {
  const { shared, pod, uid } = work;
  const links = serviceEnv(pod, await shared.services());
  const env = await makeEnv(pod, container, work.facts(), links, {
    configMap: (namespace, name) => shared.sources.configMap(uid, namespace, name),
    secret: (namespace, name) => shared.sources.secret(uid, namespace, name),
    volumeFile: (volume, path) => readText(work.volumes.get(volume)?.path, volume, path),
  });
  const named = new Set(env.map(({ name }) => name));
  const ofImage = image.env.map((line) => {
    const at = line.indexOf('=');
    return { name: at < 0 ? line : line.slice(0, at), value: at < 0 ? '' : line.slice(at + 1) };
  });
  return [...ofImage.filter(({ name }) => !named.has(name)), ...env];
}
