/** Rules for a Pod's containers of every sort. */
import { cause, labelProblems, portNameProblems, type StatusCause } from '../../../machinery/index.ts';
import type { Container, EphemeralContainer, PodSpec } from '../../gen/types.ts';
import { each, named, nonNegative, oneOf, port, required, unique } from '../../rules.ts';
import { validateProbes } from './podprobes.ts';
import { validateResources } from './podresourcerules.ts';

type AnyContainer = Container | EphemeralContainer;

export function validateContainers(spec: PodSpec, field: string): StatusCause[] {
  const containers = spec.containers ?? [];
  if (containers.length === 0) return [cause.required(`${field}.containers`)];
  const inits = spec.initContainers ?? [];
  const at = {
    main: `${field}.containers`,
    init: `${field}.initContainers`,
    ephemeral: `${field}.ephemeralContainers`,
  };
  const taken = new Set(containers.map((container) => container.name));
  return [
    ...each(at.main, containers, (container, path) => [
      ...validateContainer(container, spec, path),
      ...validateProbes(container, path),
    ]),
    ...unique(at.main, containers, (container) => container.name, '.name'),
    ...hostPortConflicts(containers, at.main),
    ...each(at.init, inits, (container, path) => [
      ...validateContainer(container, spec, path),
      ...validateInit(container, path),
      ...(taken.has(container.name) ? [cause.duplicate(`${path}.name`, container.name)] : []),
    ]),
    ...unique(at.init, inits, (container) => container.name, '.name'),
    ...each(at.ephemeral, spec.ephemeralContainers, (container, path) => [
      ...validateContainer(container, spec, path),
      ...validateEphemeral(container, spec, path),
    ]),
  ];
}

function validateContainer(container: AnyContainer, spec: PodSpec, at: string): StatusCause[] {
  const { image = '' } = container;
  return [
    ...named(`${at}.name`, container.name, labelProblems),
    ...required(`${at}.image`, image),
    ...(image.trim() === image
      ? []
      : [cause.invalid(`${at}.image`, image, 'must not have leading or trailing whitespace')]),
    ...oneOf(`${at}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
    ...validatePorts(container, `${at}.ports`),
    ...validateEnv(container, at),
    ...validateMounts(container, spec, at),
    ...oneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...validateResources(container.resources, `${at}.resources`),
    ...validateSecurity(container, at),
  ];
}

function validatePorts({ ports = [] }: AnyContainer, at: string): StatusCause[] {
  return [
    ...each(at, ports, (entry, path) => [
      ...(entry.name
        ? portNameProblems(entry.name).map((problem) => cause.invalid(`${path}.name`, entry.name, problem))
        : []),
      ...(entry.containerPort
        ? port(`${path}.containerPort`, entry.containerPort)
        : [cause.required(`${path}.containerPort`)]),
      ...(entry.hostPort ? port(`${path}.hostPort`, entry.hostPort) : []),
      ...oneOf(`${path}.protocol`, entry.protocol, ['TCP', 'UDP', 'SCTP']),
    ]),
    ...unique(at, ports, (entry) => entry.name, '.name'),
  ];
}

function hostPortConflicts(containers: readonly Container[], field: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const taken = new Set<string>();
  for (const [i, { ports }] of containers.entries())
    for (const [j, { hostPort, hostIP = '', protocol = 'TCP' }] of (ports ?? []).entries()) {
      if (!hostPort) continue;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) causes.push(cause.duplicate(`${field}[${i}].ports[${j}].hostPort`, key));
      taken.add(key);
    }
  return causes;
}

const envName = /^[^=\0]+$/;

function validateEnv(container: AnyContainer, at: string): StatusCause[] {
  return [
    ...each(`${at}.env`, container.env, (entry, path) => {
      const causes = required(`${path}.name`, entry.name);
      if (entry.name && !envName.test(entry.name))
        causes.push(
          cause.invalid(
            `${path}.name`,
            entry.name,
            "a valid environment variable name must consist only of printable ASCII characters other than '='",
          ),
        );
      return entry.valueFrom ? [...causes, ...validateEnvSource(entry, `${path}.valueFrom`)] : causes;
    }),
    ...each(`${at}.envFrom`, container.envFrom, ({ configMapRef, secretRef }, path) => {
      if (configMapRef && secretRef)
        return [cause.invalid(path, '', 'may not have more than one field specified at a time')];
      if (!configMapRef && !secretRef)
        return [cause.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`')];
      return required(`${path}.${configMapRef ? 'configMapRef' : 'secretRef'}.name`, (configMapRef ?? secretRef)?.name);
    }),
  ];
}

const envFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function validateEnvSource(
  { value, valueFrom = {} }: NonNullable<Container['env']>[number],
  at: string,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef) {
    causes.push(...required(`${at}.fieldRef.fieldPath`, fieldRef.fieldPath));
    const path = fieldRef.fieldPath ?? '';
    if (path && !envFields.includes(path) && !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(path)) {
      const told = 'error converting fieldPath: field label not supported';
      causes.push(
        /^(metadata|spec|status)\./.test(path) && !/^metadata\.(labels|annotations)$/.test(path)
          ? cause.invalid(`${at}.fieldRef.fieldPath`, path, `${told}: ${path}`)
          : cause.notSupported(`${at}.fieldRef.fieldPath`, path, envFields),
      );
    }
  }
  if (resourceFieldRef) causes.push(...required(`${at}.resourceFieldRef.resource`, resourceFieldRef.resource));
  for (const [name, ref] of [
    ['configMapKeyRef', configMapKeyRef],
    ['secretKeyRef', secretKeyRef],
  ] as const)
    if (ref) causes.push(...required(`${at}.${name}.name`, ref.name), ...required(`${at}.${name}.key`, ref.key));
  const count = Object.keys(valueFrom).length;
  if (count === 0)
    causes.push(
      cause.invalid(at, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'),
    );
  else if (value) causes.push(cause.invalid(at, '', 'may not be specified when `value` is not empty'));
  else if (count > 1) causes.push(cause.invalid(at, '', 'may not have more than one field specified at a time'));
  return causes;
}

function validateMounts(container: AnyContainer, spec: PodSpec, at: string): StatusCause[] {
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  const paths = new Set<string>();
  const mounts = each(`${at}.volumeMounts`, container.volumeMounts, (mount, path) => {
    const causes = required(`${path}.name`, mount.name);
    if (mount.name && !volumes.has(mount.name)) causes.push(cause.notFound(`${path}.name`, mount.name));
    causes.push(...required(`${path}.mountPath`, mount.mountPath));
    if (paths.has(mount.mountPath)) causes.push(cause.invalid(`${path}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (mount.subPath && mount.subPathExpr)
      causes.push(
        cause.invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
      );
    for (const name of ['subPath', 'subPathExpr'] as const) {
      const value = mount[name];
      if (value?.startsWith('/')) causes.push(cause.invalid(`${path}.${name}`, value, 'must be a relative path'));
      if (value?.split('/').includes('..'))
        causes.push(cause.invalid(`${path}.${name}`, value, "must not contain '..'"));
    }
    return [
      ...causes,
      ...oneOf(`${path}.mountPropagation`, mount.mountPropagation, ['None', 'HostToContainer', 'Bidirectional'], true),
    ];
  });
  const devices = each(`${at}.volumeDevices`, container.volumeDevices, (device, path) => [
    ...required(`${path}.name`, device.name),
    ...(device.name && !volumes.has(device.name) ? [cause.notFound(`${path}.name`, device.name)] : []),
    ...required(`${path}.devicePath`, device.devicePath),
  ]);
  return [...mounts, ...devices];
}

function validateSecurity({ securityContext: context }: AnyContainer, at: string): StatusCause[] {
  if (!context) return [];
  const causes: StatusCause[] = [
    ...nonNegative(`${at}.securityContext.runAsUser`, context.runAsUser),
    ...nonNegative(`${at}.securityContext.runAsGroup`, context.runAsGroup),
  ];
  if (context.allowPrivilegeEscalation === false) {
    const told = (what: string) => `cannot set \`allowPrivilegeEscalation\` to false and \`${what}\` to true`;
    if (context.privileged) causes.push(cause.invalid(`${at}.securityContext`, context, told('privileged')));
  }
  return causes;
}

function validateInit(container: Container, at: string): StatusCause[] {
  const causes = oneOf(`${at}.restartPolicy`, container.restartPolicy, ['Always', 'OnFailure', 'Never'], true);
  if (container.restartPolicy === 'Always') return [...causes, ...validateProbes(container, at)];
  for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    if (container[name] !== undefined)
      causes.push(cause.forbidden(`${at}.${name}`, 'may not be set for init containers without restartPolicy=Always'));
  return causes;
}

function validateEphemeral(container: EphemeralContainer, spec: PodSpec, at: string): StatusCause[] {
  const others = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name }) => name);
  const causes: StatusCause[] = others.includes(container.name) ? [cause.duplicate(`${at}.name`, container.name)] : [];
  if (container.targetContainerName && !others.includes(container.targetContainerName))
    causes.push(cause.notFound(`${at}.targetContainerName`, container.targetContainerName));
  for (const name of ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const)
    if (container[name] !== undefined)
      causes.push(cause.forbidden(`${at}.${name}`, 'cannot be set for an Ephemeral Container'));
  if (container.resources && Object.keys(container.resources).length > 0)
    causes.push(cause.forbidden(`${at}.resources`, 'cannot be set for an Ephemeral Container'));
  return causes;
}
