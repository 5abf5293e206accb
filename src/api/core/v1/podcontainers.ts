/** Rules for a Pod's containers of every sort. */
import {
  cause,
  compareQuantities,
  labelProblems,
  portNameProblems,
  quantityMilliValue,
  type StatusCause,
} from '../../../machinery/index.ts';
import type { Container, EphemeralContainer, PodSpec, Probe, ResourceRequirements } from '../../gen/types.ts';
import {
  each,
  named,
  nonNegative,
  nonNegativeQuantity,
  oneOf,
  port,
  positive,
  required,
  unique,
  within,
} from '../../rules.ts';

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

const standardResources = ['cpu', 'memory', 'ephemeral-storage', 'storage'];

/** Resources of a container, or of a Pod as a whole. */
export function validateResources(resources: ResourceRequirements | undefined, at: string): StatusCause[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const causes: StatusCause[] = [];
  for (const [part, list] of [
    ['limits', limits],
    ['requests', requests],
  ] as const)
    for (const [name, amount] of Object.entries(list)) {
      const path = `${at}.${part}[${name}]`;
      if (!name.includes('/') && !standardResources.includes(name) && !name.startsWith('hugepages-'))
        causes.push(
          cause.invalid(path, name, 'must be a standard resource type or fully qualified'),
          cause.invalid(path, name, 'must be a standard resource for containers'),
        );
      causes.push(...nonNegativeQuantity(path, amount));
      const whole = name.includes('/') && quantityMilliValue(amount) % 1000 !== 0;
      if (whole) causes.push(cause.invalid(path, amount, 'must be an integer'));
    }
  for (const [name, request] of Object.entries(requests)) {
    const limit = limits[name];
    const overcommits = !name.includes('/') && !name.startsWith('hugepages-');
    if (limit === undefined) {
      if (!overcommits)
        causes.push(cause.required(`${at}.limits`, 'Limit must be set for non overcommitable resources'));
    } else if (!overcommits && compareQuantities(request, limit) !== 0)
      causes.push(cause.invalid(`${at}.requests`, request, `must be equal to ${name} limit of ${limit}`));
    else if (compareQuantities(request, limit) > 0)
      causes.push(cause.invalid(`${at}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`));
  }
  return causes;
}

function validateProbes(container: Container, at: string): StatusCause[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const causes = [
    ...validateProbe(livenessProbe, `${at}.livenessProbe`),
    ...validateProbe(readinessProbe, `${at}.readinessProbe`),
    ...validateProbe(startupProbe, `${at}.startupProbe`),
  ];
  for (const [name, probe] of [
    ['livenessProbe', livenessProbe],
    ['startupProbe', startupProbe],
  ] as const)
    if (probe && probe.successThreshold !== 1)
      causes.push(cause.invalid(`${at}.${name}.successThreshold`, probe.successThreshold, 'must be 1'));
  if (readinessProbe?.terminationGracePeriodSeconds !== undefined)
    causes.push(
      cause.invalid(
        `${at}.readinessProbe.terminationGracePeriodSeconds`,
        readinessProbe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      ),
    );
  for (const name of ['postStart', 'preStop'] as const)
    if (lifecycle?.[name]) causes.push(...validateAction(lifecycle[name], `${at}.lifecycle.${name}`));
  return causes;
}

function validateProbe(probe: Probe | undefined, at: string): StatusCause[] {
  if (!probe) return [];
  const { initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold } = probe;
  return [
    ...validateAction(probe, at),
    ...nonNegative(`${at}.initialDelaySeconds`, initialDelaySeconds),
    ...nonNegative(`${at}.timeoutSeconds`, timeoutSeconds),
    ...nonNegative(`${at}.periodSeconds`, periodSeconds),
    ...nonNegative(`${at}.successThreshold`, successThreshold),
    ...nonNegative(`${at}.failureThreshold`, failureThreshold),
    ...positive(`${at}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds),
  ];
}

const actionNames = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function validateAction(action: Record<string, any>, at: string): StatusCause[] {
  const given = actionNames.filter((name) => action[name] !== undefined);
  if (given.length === 0) return [cause.required(at, 'must specify a handler type')];
  const causes = given
    .slice(1)
    .map((name) => cause.forbidden(`${at}.${name}`, 'may not specify more than 1 handler type'));
  const name = given[0]!;
  const { [name]: details } = action;
  if (name === 'exec' && !(details.command?.length > 0)) causes.push(cause.required(`${at}.exec.command`));
  if (name === 'httpGet') {
    causes.push(...required(`${at}.httpGet.path`, details.path), ...portOrName(`${at}.httpGet.port`, details.port));
    causes.push(...oneOf(`${at}.httpGet.scheme`, details.scheme, ['HTTP', 'HTTPS']));
  }
  if (name === 'tcpSocket') causes.push(...portOrName(`${at}.tcpSocket.port`, details.port));
  if (name === 'grpc') causes.push(...port(`${at}.grpc.port`, details.port));
  return causes;
}

function portOrName(at: string, value: number | string | undefined): StatusCause[] {
  if (typeof value === 'string') return portNameProblems(value).map((problem) => cause.invalid(at, value, problem));
  return within(at, value ?? 0, 1, 65535);
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
