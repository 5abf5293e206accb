/** The pod's sandbox: what all its containers share. */
import { podDns } from './dns.ts';
import { type Pod, runtimeClasses } from './kinds.ts';
import { podLabels } from './labels.ts';
import { podResources, qosClass } from './resources.ts';
import type { SandboxConfig, SandboxStatus } from './runtime/runtime.ts';
import type { Work } from './work.ts';

const maxHostname = 63;

/** Undefined when it could not be made: the pod was told why, and comes back. */
export async function makeSandbox(work: Work, attempt: number): Promise<SandboxStatus | undefined> {
  const { context } = work.shared;
  if (attempt > 0) {
    work.event('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    for (const old of work.truth.sandboxes) {
      await context.runtime.stopPodSandbox(old.id);
      await work.touchSandbox(old.id);
    }
  }
  try {
    const config = await sandboxConfig(work, attempt);
    const sandbox = await context.runtime.runPodSandbox(config);
    await work.touchSandbox(sandbox.id);
    work.publish();
    return sandbox;
  } catch (error) {
    if (work.signal.aborted) return undefined;
    const message = (error as Error).message;
    context.log.warn({ pod: work.pod.metadata.name, error: message }, 'cannot make a sandbox');
    work.event('Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
    work.wakeAt(context.clock.now() + 10_000);
    return undefined;
  }
}

export function hostnameOf(pod: Pod, domain: string): string {
  const { hostname, setHostnameAsFQDN, hostnameOverride } = pod.spec ?? {};
  if (hostnameOverride) return hostnameOverride;
  const short = shortened(hostname || pod.metadata.name);
  return (setHostnameAsFQDN && fqdnOf(pod, domain)) || short;
}

/** Undefined: the pod is in nobody's subdomain. */
export function fqdnOf(pod: Pod, domain: string): string | undefined {
  const { hostname, subdomain, hostnameOverride } = pod.spec ?? {};
  if (!subdomain || hostnameOverride) return undefined;
  return `${shortened(hostname || pod.metadata.name)}.${subdomain}.${pod.metadata.namespace}.svc.${domain}`;
}

function shortened(name = ''): string {
  return name.slice(0, maxHostname).replace(/[-.]+$/, '');
}

async function sandboxConfig(work: Work, attempt: number): Promise<SandboxConfig> {
  const { pod, shared } = work;
  const { context } = shared;
  const spec = pod.spec ?? { containers: [] };
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return {
    metadata: { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '', uid: work.uid, attempt },
    hostname: spec.hostNetwork ? context.nodeName : hostnameOf(pod, context.clusterDomain),
    fqdn: spec.hostNetwork ? undefined : fqdnOf(pod, context.clusterDomain),
    labels: podLabels(pod),
    annotations: { ...pod.metadata.annotations },
    dns: context.dnsFor ? context.dnsFor(pod) : podDns(pod, context.clusterDNS ?? [], context.clusterDomain),
    hosts: (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
    hostNetwork: spec.hostNetwork ?? false,
    hostPID: spec.hostPID ?? false,
    hostIPC: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    hostPorts: containers.flatMap(({ ports = [] }) =>
      ports.flatMap(({ containerPort, hostPort, hostIP = '', protocol = 'TCP' }) =>
        hostPort ? [{ containerPort, hostPort, hostIP, protocol: protocol as 'TCP' }] : [],
      ),
    ),
    runtimeHandler: await handlerOf(work),
    resources: podResources(pod),
    qosClass: qosClass(pod),
  };
}

async function handlerOf(work: Work): Promise<string> {
  const name = work.pod.spec?.runtimeClassName;
  if (!name) return '';
  const found = await work.shared.context.client.get(runtimeClasses, { name }).catch(() => undefined);
  if (!found) throw new Error(`failed to get sandbox runtime: runtimeclass.node.k8s.io "${name}" not found`);
  return found.handler;
}
