import {
  cause,
  label1035Problems,
  portNameProblems,
  type StatusCause,
  subdomainProblems,
} from '../../../machinery/index.ts';
import { ageColumn, nameColumn, orNone, text } from '../../columns.ts';
import type { Ingress, IngressBackend, IngressRule } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, isIp, named, oneOf, optionallyNamed, required, within } from '../../rules.ts';

export const ingress: Override<Ingress> = {
  countsGenerations: true,
  prepare(object, old) {
    if (!old) object.status = { loadBalancer: {} };
  },
  validate({ spec }): StatusCause[] {
    const causes: StatusCause[] = [];
    if (!spec.rules?.length && !spec.defaultBackend)
      causes.push(cause.invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'));
    if (spec.defaultBackend) causes.push(...validateBackend(spec.defaultBackend, 'spec.defaultBackend'));
    causes.push(...each('spec.rules', spec.rules, validateRule));
    causes.push(
      ...each('spec.tls', spec.tls, ({ hosts }, at) =>
        each(`${at}.hosts`, hosts, (host, path) => hostProblems(host).map((told) => cause.invalid(path, host, told))),
      ),
    );
    return [...causes, ...optionallyNamed('spec.ingressClassName', spec.ingressClassName, subdomainProblems)];
  },
  columns: [
    nameColumn,
    text('Class', ({ spec }: Ingress) => orNone(spec.ingressClassName)),
    text('Hosts', hosts),
    text('Address', ({ status }: Ingress) =>
      (status?.loadBalancer?.ingress ?? [])
        .map(({ ip, hostname }) => ip || hostname || '')
        .filter(Boolean)
        .join(','),
    ),
    text('Ports', ({ spec }: Ingress) => (spec.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
};

const wildcard = /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function hostProblems(host: string): string[] {
  if (!host.includes('*')) return subdomainProblems(host);
  const told =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return wildcard.test(host)
    ? []
    : [`${told} (e.g. '*.example.com', regex used for validation is '${wildcard.source.slice(1, -1)}')`];
}

function validateRule({ host, http }: IngressRule, at: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (host && isIp(host)) causes.push(cause.invalid(`${at}.host`, host, 'must be a DNS name, not an IP address'));
  else if (host) causes.push(...hostProblems(host).map((told) => cause.invalid(`${at}.host`, host, told)));
  if (!http) return causes;
  if (!http.paths?.length) return [...causes, cause.required(`${at}.http.paths`)];
  return [
    ...causes,
    ...each(`${at}.http.paths`, http.paths, ({ path = '', pathType, backend }, field) => {
      if (!pathType) return [cause.required(`${field}.pathType`, 'pathType must be specified')];
      const wrong = oneOf(`${field}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
      if (!path.startsWith('/') && (path !== '' || pathType !== 'ImplementationSpecific'))
        wrong.push(cause.invalid(`${field}.path`, path, 'must be an absolute path'));
      if (pathType !== 'ImplementationSpecific')
        wrong.push(...pathProblems(path).map((told) => cause.invalid(`${field}.path`, path, told)));
      return [...wrong, ...validateBackend(backend ?? {}, `${field}.backend`)];
    }),
  ];
}

function pathProblems(path: string): string[] {
  const within = ['//', '/./', '/../', '%2f', '%2F']
    .filter((part) => path.includes(part))
    .map((part) => `must not contain '${part}'`);
  const ends = ['/..', '/.'].filter((part) => path.endsWith(part)).map((part) => `cannot end with '${part}'`);
  return [...within, ...ends];
}

function validateBackend({ service, resource }: IngressBackend, at: string): StatusCause[] {
  if (service && resource) return [cause.invalid(at, '', 'cannot set both resource and service backends')];
  if (resource)
    return [...required(`${at}.resource.kind`, resource.kind), ...required(`${at}.resource.name`, resource.name)];
  if (!service) return [cause.invalid(at, '', 'resource or service backend is required')];
  const causes = named(`${at}.service.name`, service.name, label1035Problems);
  const { name, number } = service.port ?? {};
  if (name && number) return [...causes, cause.invalid(at, '', 'cannot set both port name & port number')];
  if (name) return [...causes, ...named(`${at}.service.port.name`, name, portNameProblems)];
  return number
    ? [...causes, ...within(`${at}.service.port.number`, number, 1, 65535)]
    : [...causes, cause.required(at, 'port name or number is required')];
}

function hosts({ spec }: Ingress): string {
  const names = (spec.rules ?? []).flatMap(({ host }) => host || []);
  if (names.length === 0) return '*';
  return names.length > 3
    ? `${names.slice(0, 3).join(',')} + ${(spec.rules ?? []).length - 3} more...`
    : names.join(',');
}
