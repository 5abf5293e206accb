/** Rules for Pods and Pod templates, and for what of a Pod may still change. */
import {
  cause,
  cloneJson,
  equalJson,
  labelProblems,
  type StatusCause,
  subdomainProblems,
  validateAnnotations,
  validateLabels,
} from '../../../machinery/index.ts';
import { validatePodStatus } from './podstatus.ts';
import type { Container, Pod, PodSpec, PodTemplateSpec, Toleration } from '../../gen/types.ts';
import { each, ipAddress, nonNegative, oneOf, optionallyNamed, within } from '../../rules.ts';
import { validateContainers } from './podcontainers.ts';
import { validateResources } from './podresourcerules.ts';
import { validateAffinity, validateSpread, validateTolerations } from './podscheduling.ts';
import { validateVolumes } from './podvolumes.ts';

const restartPolicies = ['Always', 'OnFailure', 'Never'];

export function validatePodSpec(spec: PodSpec, field: string): StatusCause[] {
  return [
    ...validateVolumes(spec, `${field}.volumes`),
    ...validateContainers(spec, field),
    ...(spec.resources ? validateResources(spec.resources, `${field}.resources`) : []),
    ...hostNetworkPorts(spec, field),
    ...oneOf(`${field}.restartPolicy`, spec.restartPolicy, restartPolicies),
    ...oneOf(`${field}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...validateLabels(spec.nodeSelector, `${field}.nodeSelector`),
    ...nonNegative(`${field}.securityContext.runAsUser`, spec.securityContext?.runAsUser),
    ...nonNegative(`${field}.securityContext.runAsGroup`, spec.securityContext?.runAsGroup),
    ...nonNegative(`${field}.securityContext.fsGroup`, spec.securityContext?.fsGroup),
    ...validateSysctls(spec, `${field}.securityContext`),
    ...each(`${field}.imagePullSecrets`, spec.imagePullSecrets, ({ name }, at) =>
      name ? [] : [cause.required(`${at}.name`)],
    ),
    ...validateAffinity(spec.affinity, `${field}.affinity`),
    ...validateDns(spec, field),
    ...validateSpread(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`),
    ...optionallyNamed(`${field}.serviceAccountName`, spec.serviceAccountName, subdomainProblems),
    ...optionallyNamed(`${field}.nodeName`, spec.nodeName, subdomainProblems),
    ...within(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, 2 ** 31 - 1),
    ...optionallyNamed(`${field}.hostname`, spec.hostname, labelProblems),
    ...optionallyNamed(`${field}.subdomain`, spec.subdomain, labelProblems),
    ...validateTolerations(spec.tolerations, `${field}.tolerations`),
    ...each(`${field}.hostAliases`, spec.hostAliases, ({ ip, hostnames }, at) => [
      ...ipAddress(`${at}.ip`, ip ?? ''),
      ...each(`${at}.hostnames`, hostnames, (name, path) =>
        subdomainProblems(name).map((problem) => cause.invalid(path, name, problem)),
      ),
    ]),
    ...optionallyNamed(`${field}.priorityClassName`, spec.priorityClassName, subdomainProblems),
    ...optionallyNamed(`${field}.runtimeClassName`, spec.runtimeClassName, subdomainProblems),
    ...oneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'], true),
    ...oneOf(`${field}.os.name`, spec.os?.name, ['linux', 'windows'], true),
    ...(spec.schedulingGroup ? groupNamed(spec.schedulingGroup.podGroupName, `${field}.schedulingGroup`) : []),
  ];
}

function groupNamed(name: string | undefined, field: string): StatusCause[] {
  const at = `${field}.podGroupName`;
  if (name === undefined) return [cause.invalid(at, null, 'must specify one of: `podGroupName`')];
  return subdomainProblems(name).map((problem) => cause.invalid(at, name, problem));
}

function hostNetworkPorts(spec: PodSpec, field: string): StatusCause[] {
  if (!spec.hostNetwork) return [];
  return each(`${field}.containers`, spec.containers, ({ ports }, at) =>
    each(`${at}.ports`, ports, ({ hostPort, containerPort }, path) =>
      hostPort === containerPort
        ? []
        : [cause.invalid(`${path}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true')],
    ),
  );
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, field: string): StatusCause[] {
  const servers = dnsConfig?.nameservers ?? [];
  const causes: StatusCause[] = [];
  if (dnsPolicy === 'None' && servers.length === 0)
    causes.push(
      cause.required(
        `${field}.dnsConfig.nameservers`,
        'must provide at least one DNS nameserver when `dnsPolicy` is None',
      ),
    );
  if (servers.length > 3)
    causes.push(cause.invalid(`${field}.dnsConfig.nameservers`, servers, 'must not have more than 3 nameservers'));
  causes.push(...each(`${field}.dnsConfig.nameservers`, servers, (server, at) => ipAddress(at, server)));
  return causes;
}

/** A template's metadata and spec. Its restart policy is the business of the kind that holds it. */
export function validateTemplate(template: PodTemplateSpec | undefined, field: string): StatusCause[] {
  return [
    ...validateLabels(template?.metadata?.labels, `${field}.metadata.labels`),
    ...validateAnnotations(template?.metadata?.annotations, `${field}.metadata.annotations`),
    ...validatePodSpec(template?.spec ?? { containers: [] }, `${field}.spec`),
  ];
}

/** `subresource`: what is written through; undefined where the caller cannot tell, then what any of them may change passes. */
export function validatePod(object: Pod, old: Pod | undefined, subresource?: string): StatusCause[] {
  // the rest is as it was
  if (old && subresource === 'status') return validatePodStatus(object, old);
  const causes = validatePodSpec(object.spec, 'spec');
  if (!old) {
    if ((object.spec.ephemeralContainers?.length ?? 0) > 0)
      causes.push(cause.forbidden('spec.ephemeralContainers', 'cannot be set on create'));
    return causes;
  }
  return [...causes, ...validateChange(object.spec, old.spec, subresource)];
}

const changeable =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function validateChange(spec: PodSpec, old: PodSpec, subresource: string | undefined): StatusCause[] {
  if (equalJson(spec, old)) return [];
  for (const part of ['containers', 'initContainers'] as const)
    if ((spec[part]?.length ?? 0) !== (old[part]?.length ?? 0))
      return [cause.forbidden(`spec.${part}`, 'pod updates may not add or remove containers')];
  const causes = validateDeadline(spec, old);
  causes.push(...onlyAddedTolerations(spec.tolerations ?? [], old.tolerations ?? []));
  causes.push(...onlyDeletedGates(spec, old));
  const like = withChangesUndone(spec, old, subresource);
  if (!equalJson(like, old))
    causes.push(
      cause.forbidden(
        'spec',
        `pod updates may not change fields other than ${changeable}\n${changedFields(like, old)}`,
      ),
    );
  return causes;
}

/** The new spec with everything put back that was allowed to change: what differs then was not. */
function withChangesUndone(spec: PodSpec, old: PodSpec, subresource: string | undefined): PodSpec {
  const like = cloneJson(spec);
  const may = (name: string) => subresource === undefined || subresource === name;
  const putBack = (containers: Container[] | undefined, before: Container[] | undefined) => {
    for (const [i, container] of (containers ?? []).entries()) {
      container.image = before?.[i]?.image;
      if (may('resize')) replace(container, 'resources', before?.[i]?.resources);
    }
  };
  putBack(like.containers, old.containers);
  putBack(like.initContainers, old.initContainers);
  for (const name of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates'] as const)
    replace(like, name, old[name]);
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && like.terminationGracePeriodSeconds === 1)
    like.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  if ((old.schedulingGates?.length ?? 0) > 0)
    for (const name of ['nodeSelector', 'affinity'] as const) replace(like, name, old[name]);
  if (may('binding') && !old.nodeName) replace(like, 'nodeName', undefined);
  if (may('ephemeralcontainers')) replace(like, 'ephemeralContainers', old.ephemeralContainers);
  if (may('resize')) replace(like, 'resources', old.resources);
  return like;
}

function replace<T extends object, K extends keyof T>(object: T, name: K, value: T[K] | undefined): void {
  if (value === undefined) delete object[name];
  else object[name] = value;
}

function changedFields(spec: PodSpec, old: PodSpec): string {
  const names = new Set([...Object.keys(spec), ...Object.keys(old)]) as Set<keyof PodSpec>;
  return [...names]
    .filter((name) => !equalJson(spec[name], old[name]))
    .map((name) => `changed: spec.${name}`)
    .join('\n');
}

function validateDeadline(
  { activeDeadlineSeconds: value }: PodSpec,
  { activeDeadlineSeconds: before }: PodSpec,
): StatusCause[] {
  if (before === undefined) return [];
  const field = 'spec.activeDeadlineSeconds';
  if (value === undefined) return [cause.invalid(field, null, 'must not update from a positive integer to nil value')];
  return value > before ? [cause.invalid(field, value, 'must be less than or equal to previous value')] : [];
}

function onlyAddedTolerations(tolerations: Toleration[], old: Toleration[]): StatusCause[] {
  const strip = ({ tolerationSeconds: _seconds, ...rest }: Toleration) => rest;
  const kept = old.every((before) => tolerations.some((now) => equalJson(strip(now), strip(before))));
  return kept
    ? []
    : [cause.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

function onlyDeletedGates(spec: PodSpec, old: PodSpec): StatusCause[] {
  const before = new Set((old.schedulingGates ?? []).map((gate) => gate.name));
  return each('spec.schedulingGates', spec.schedulingGates, ({ name }, at) =>
    before.has(name)
      ? []
      : [cause.forbidden(at, "only deletion is allowed, but found new scheduling gate '" + name + "'")],
  );
}

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlName = new RegExp(`^(${sysctlSegment}[./])*${sysctlSegment}$`);
const maxSysctlName = 253;

/** Those of the network and of IPC are the host's where the pod shares the host's. */
function validateSysctls({ securityContext, hostNetwork, hostIPC }: PodSpec, at: string): StatusCause[] {
  const names = new Set<string>();
  return (securityContext?.sysctls ?? []).flatMap(({ name }, i) => {
    const field = `${at}.sysctls[${i}].name`;
    const told = (why: string) => [cause.invalid(field, name, why)];
    if (!name) return [cause.required(field)];
    if (name.length > maxSysctlName || !sysctlName.test(name))
      return told(`must have at most ${maxSysctlName} characters and match regex ${sysctlName.source}`);
    if (names.has(name)) return [cause.duplicate(field, name)];
    names.add(name);
    const path = name.replaceAll('/', '.');
    if (hostNetwork && path.startsWith('net.')) return told("may not be specified when 'hostNetwork' is true");
    if (hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(path))
      return told("may not be specified when 'hostIPC' is true");
    return [];
  });
}
