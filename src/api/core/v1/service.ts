import {
  cause,
  labelProblems,
  type StatusCause,
  subdomainProblems,
  validateLabels,
  portNameProblems,
  qualifiedNameProblems,
} from '../../../machinery/index.ts';
import { ageColumn, formatLabels, nameColumn, text, wide } from '../../columns.ts';
import type { Service, ServicePort } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cidr, each, ipAddress, isIpv4, named, oneOf, optionallyNamed, port, within } from '../../rules.ts';

export const service: Override<Service> = {
  nameRule: 'label1035',
  selectableFields: {
    'spec.clusterIP': (object) => object.spec.clusterIP ?? '',
    'spec.type': (object) => object.spec.type ?? '',
  },
  default: defaultService,
  prepare(object, old) {
    if (!old) object.status = { loadBalancer: {} };
    else {
      dropWhatTypeForbids(object, old);
      keepAllocated(object, old);
    }
    normaliseAddresses(object, old);
  },
  validate: validateService,
  columns: [
    nameColumn,
    text('Type', ({ spec }: Service) => spec.type ?? ''),
    text('Cluster-IP', ({ spec }: Service) => spec.clusterIPs?.[0] ?? (spec.clusterIP || '<none>')),
    text('External-IP', externalIp),
    text('Port(s)', ({ spec }: Service) => (spec.ports ?? []).map(portText).join(',') || '<none>'),
    ageColumn,
    wide('Selector', ({ spec }: Service) => formatLabels(spec.selector)),
  ],
};

const isExternal = ({ spec }: Service) =>
  spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.externalIPs?.length ?? 0) > 0;
const isHeadless = ({ spec }: Service) => spec.clusterIP === 'None';
const hasNodePorts = ({ spec }: Service) => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

function defaultService(object: Service): void {
  const { spec } = object;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined)
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } };
  spec.type ||= 'ClusterIP';
  for (const entry of spec.ports ?? []) {
    entry.protocol ||= 'TCP';
    entry.targetPort ||= entry.port;
  }
  if (isExternal(object)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const entry of object.status?.loadBalancer?.ingress ?? []) if (entry.ip) entry.ipMode ??= 'VIP';
  }
}

/** `clusterIP` and the first of `clusterIPs` are one thing under two names; families say which they are. */
function normaliseAddresses({ spec }: Service, old: Service | undefined): void {
  if (spec.type === 'ExternalName') return;
  const before = old?.spec.clusterIP ?? '';
  if (!spec.clusterIP && old && before !== '' && spec.clusterIPs?.[0] === before) delete spec.clusterIPs;
  if (
    spec.clusterIP &&
    (!spec.clusterIPs?.length || (old && before !== spec.clusterIP && spec.clusterIPs[0] === before))
  )
    spec.clusterIPs = [spec.clusterIP];
  const selectorless = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= selectorless
    ? 'RequireDualStack'
    : (spec.ipFamilies?.length ?? 0) > 1
      ? 'PreferDualStack'
      : 'SingleStack';
  if (spec.ipFamilies?.length) return;
  const first = spec.clusterIPs?.[0];
  const family = first && first !== 'None' && !isIpv4(first) ? 'IPv6' : 'IPv4';
  spec.ipFamilies = selectorless ? ['IPv4', 'IPv6'] : [family];
}

/** A Service that changes its type may leave in what only the old type had: it goes, unless it was changed. */
function dropWhatTypeForbids({ spec, status }: Service, { spec: before, ...old }: Service): void {
  const same = (name: keyof Service['spec']) => JSON.stringify(spec[name]) === JSON.stringify(before[name]);
  if (before.type !== 'ExternalName' && spec.type === 'ExternalName') {
    if (same('clusterIP') && same('clusterIPs')) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    for (const name of ['ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const)
      if (same(name)) delete spec[name];
  }
  const oldService = { spec: before, ...old };
  if (hasNodePorts(oldService) && !hasNodePorts({ spec, metadata: {} })) {
    const had = new Set((before.ports ?? []).map((entry) => entry.nodePort));
    if ((spec.ports ?? []).every(({ nodePort }) => !nodePort || had.has(nodePort)))
      for (const entry of spec.ports ?? []) delete entry.nodePort;
  }
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass', 'healthCheckNodePort'] as const)
      if (same(name)) delete spec[name];
    if (status) status.loadBalancer = {};
  }
  if (isExternal(oldService) && !isExternal({ spec, metadata: {} }) && same('externalTrafficPolicy'))
    delete spec.externalTrafficPolicy;
}

/** A writer that does not know what the cluster allocated does not lose it. */
function keepAllocated({ spec }: Service, { spec: before }: Service): void {
  if (before.type !== 'ExternalName' && spec.type !== 'ExternalName' && !spec.clusterIP && !spec.clusterIPs?.length) {
    if (before.clusterIP) spec.clusterIP = before.clusterIP;
    if (before.clusterIPs) spec.clusterIPs = [...before.clusterIPs];
  }
  if (!hasNodePorts({ spec, metadata: {} })) return;
  const key = (entry: ServicePort) => `${entry.protocol}/${entry.port}`;
  const had = new Map((before.ports ?? []).map((entry) => [key(entry), entry.nodePort]));
  const used = new Set((spec.ports ?? []).map((entry) => entry.nodePort));
  for (const entry of spec.ports ?? []) {
    const nodePort = had.get(key(entry));
    if (!entry.nodePort && nodePort && !used.has(nodePort)) entry.nodePort = nodePort;
  }
  if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' && before.healthCheckNodePort)
    spec.healthCheckNodePort ??= before.healthCheckNodePort;
}

function validateService(object: Service, old: Service | undefined): StatusCause[] {
  const { spec } = object;
  const ports = spec.ports ?? [];
  const causes: StatusCause[] = [];
  if (ports.length === 0 && !isHeadless(object) && spec.type !== 'ExternalName')
    causes.push(cause.required('spec.ports'));
  if (isHeadless(object) && hasNodePorts(object))
    causes.push(cause.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  if (spec.type === 'ExternalName') causes.push(...validateExternalName(object));
  else causes.push(...validateAddresses(object, old));
  causes.push(...validatePorts(object), ...validateLabels(spec.selector, 'spec.selector'));
  causes.push(...oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']));
  causes.push(
    ...within(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      spec.sessionAffinityConfig?.clientIP?.timeoutSeconds,
      1,
      86400,
    ),
  );
  causes.push(...each('spec.externalIPs', spec.externalIPs, (address, at) => ipAddress(at, address)));
  causes.push(...oneOf('spec.type', spec.type, ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']));
  return [...causes, ...validateBalancing(object)];
}

function validateExternalName({ spec }: Service): StatusCause[] {
  const causes: StatusCause[] = [];
  if (spec.clusterIPs?.length)
    causes.push(cause.forbidden('spec.clusterIPs', 'may not be set for ExternalName services'));
  for (const name of ['ipFamilies', 'ipFamilyPolicy'] as const)
    if (spec[name] !== undefined)
      causes.push(cause.forbidden(`spec.${name}`, 'may not be set for ExternalName services'));
  return [...causes, ...named('spec.externalName', spec.externalName?.replace(/\.$/, ''), subdomainProblems)];
}

function validateAddresses({ spec }: Service, old: Service | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  const ips = spec.clusterIPs ?? [];
  if (spec.clusterIP && ips.length > 0 && ips[0] !== spec.clusterIP)
    causes.push(cause.invalid('spec.clusterIPs', ips, 'first value must match `clusterIP`'));
  if (!spec.clusterIP && ips.length > 0)
    causes.push(cause.invalid('spec.clusterIPs', ips, 'must be empty when `clusterIP` is not specified'));
  if (ips[0] === 'None' && ips.length > 1)
    causes.push(cause.invalid('spec.clusterIPs', ips, "'None' must be the first and only value"));
  for (const [i, ip] of ips.entries())
    if (!(i === 0 && ip === 'None')) causes.push(...ipAddress(`spec.clusterIPs[${i}]`, ip));
  if (ips.length > 2) causes.push(cause.invalid('spec.clusterIPs', ips, 'may only hold up to 2 values'));
  causes.push(...each('spec.ipFamilies', spec.ipFamilies, (family, at) => oneOf(at, family, ['IPv4', 'IPv6'])));
  causes.push(
    ...oneOf('spec.ipFamilyPolicy', spec.ipFamilyPolicy, ['SingleStack', 'PreferDualStack', 'RequireDualStack'], true),
  );
  const before = old?.spec.type === 'ExternalName' ? undefined : old?.spec.clusterIPs?.[0];
  if (before && ips[0] !== before) causes.push(cause.invalid('spec.clusterIPs[0]', ips, 'may not change once set'));
  return causes;
}

function validatePorts(object: Service): StatusCause[] {
  const { spec } = object;
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const causes = each('spec.ports', ports, (entry, at) => {
    const wrong =
      ports.length > 1 && !entry.name
        ? [cause.required(`${at}.name`)]
        : optionallyNamed(`${at}.name`, entry.name, labelProblems);
    if (entry.name && names.has(entry.name)) wrong.push(cause.duplicate(`${at}.name`, entry.name));
    if (entry.name) names.add(entry.name);
    wrong.push(...port(`${at}.port`, entry.port), ...oneOf(`${at}.protocol`, entry.protocol, ['SCTP', 'TCP', 'UDP']));
    const target = entry.targetPort;
    if (typeof target === 'string')
      wrong.push(...portNameProblems(target).map((problem) => cause.invalid(`${at}.targetPort`, target, problem)));
    else wrong.push(...port(`${at}.targetPort`, target));
    if (spec.type === 'ClusterIP' && entry.nodePort)
      wrong.push(cause.forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    return [...wrong, ...optionallyNamed(`${at}.appProtocol`, entry.appProtocol, qualifiedNameProblems)];
  });
  const taken = new Set<string>();
  for (const [i, entry] of ports.entries()) {
    const keys: [string, string, unknown][] = [
      [
        `spec.ports[${i}]`,
        `port ${entry.protocol}/${entry.port}`,
        { port: entry.port, protocol: entry.protocol, targetPort: 0 },
      ],
    ];
    if (entry.nodePort)
      keys.push([`spec.ports[${i}].nodePort`, `nodePort ${entry.protocol}/${entry.nodePort}`, entry.nodePort]);
    for (const [field, key, value] of keys) {
      if (taken.has(key)) causes.push(cause.duplicate(field, value));
      taken.add(key);
    }
  }
  return causes;
}

function validateBalancing(object: Service): StatusCause[] {
  const { spec } = object;
  const causes: StatusCause[] = [];
  const balanced = spec.type === 'LoadBalancer';
  if (spec.loadBalancerSourceRanges?.length) {
    if (!balanced)
      causes.push(cause.forbidden('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"));
    causes.push(
      ...each('spec.LoadBalancerSourceRanges', spec.loadBalancerSourceRanges, (range, at) => cidr(at, range.trim())),
    );
  }
  for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const)
    if (spec[name] !== undefined && !balanced)
      causes.push(cause.forbidden(`spec.${name}`, "may only be used when `type` is 'LoadBalancer'"));
  if (spec.externalTrafficPolicy && !isExternal(object))
    causes.push(
      cause.invalid(
        'spec.externalTrafficPolicy',
        spec.externalTrafficPolicy,
        'may only be set for externally-accessible services',
      ),
    );
  causes.push(
    ...oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local'], !isExternal(object)),
  );
  causes.push(
    ...oneOf(
      'spec.internalTrafficPolicy',
      spec.internalTrafficPolicy,
      ['Cluster', 'Local'],
      spec.type === 'ExternalName',
    ),
  );
  return [
    ...causes,
    ...oneOf(
      'spec.trafficDistribution',
      spec.trafficDistribution,
      ['PreferClose', 'PreferSameZone', 'PreferSameNode'],
      true,
    ),
  ];
}

function portText({ port: number, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${number}:${nodePort}/${protocol}` : `${number}/${protocol}`;
}

function externalIp({ spec, status }: Service): string {
  const external = spec.externalIPs ?? [];
  if (spec.type === 'ExternalName') return spec.externalName ?? '';
  if (spec.type !== 'LoadBalancer') return external.join(',') || '<none>';
  const ingress = [
    ...new Set((status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip || entry.hostname || '')),
  ].filter(Boolean);
  return [...ingress, ...external].join(',') || '<pending>';
}
