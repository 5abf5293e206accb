import { cause, portNameProblems, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, formatSelector, nameColumn, text } from '../../columns.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { cidr, each, named, oneOf, validateSelector, within } from '../../rules.ts';

export const networkPolicy: Override<NetworkPolicy> = {
  countsGenerations: true,
  default({ spec }) {
    if (!spec) return;
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const entry of rule.ports ?? []) entry.protocol ??= 'TCP';
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  validate: ({ spec }) => [
    ...validateSelector(spec.podSelector, 'spec.podSelector'),
    ...each('spec.ingress', spec.ingress, ({ ports, from }, at) => [
      ...each(`${at}.ports`, ports, validatePort),
      ...each(`${at}.from`, from, validatePeer),
    ]),
    ...each('spec.egress', spec.egress, ({ ports, to }, at) => [
      ...each(`${at}.ports`, ports, validatePort),
      ...each(`${at}.to`, to, validatePeer),
    ]),
    ...((spec.policyTypes?.length ?? 0) > 2
      ? [cause.invalid('spec.policyTypes', spec.policyTypes, 'may not specify more than two policyTypes')]
      : []),
    ...each('spec.policyTypes', spec.policyTypes, (type, at) => oneOf(at, type, ['Egress', 'Ingress'])),
  ],
  columns: [nameColumn, text('Pod-Selector', ({ spec }: NetworkPolicy) => formatSelector(spec.podSelector)), ageColumn],
};

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, at: string): StatusCause[] {
  const causes = oneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], true);
  if (endPort !== undefined && typeof port !== 'number')
    causes.push(
      cause.invalid(
        `${at}.endPort`,
        endPort,
        `may not be specified when \`port\` is ${port === undefined ? 'not specified' : 'non-numeric'}`,
      ),
    );
  if (typeof port === 'string') return [...causes, ...named(`${at}.port`, port, portNameProblems)];
  causes.push(...within(`${at}.port`, port, 1, 65535), ...within(`${at}.endPort`, endPort, 1, 65535));
  if (port !== undefined && endPort !== undefined && endPort < port)
    causes.push(cause.invalid(`${at}.endPort`, port, 'must be greater than or equal to `port`'));
  return causes;
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, at: string): StatusCause[] {
  if (!podSelector && !namespaceSelector && !ipBlock) return [cause.required(at, 'must specify a peer')];
  const causes = [
    ...validateSelector(podSelector, `${at}.podSelector`),
    ...validateSelector(namespaceSelector, `${at}.namespaceSelector`),
  ];
  if (!ipBlock) return causes;
  causes.push(
    ...cidr(`${at}.ipBlock.cidr`, ipBlock.cidr ?? ''),
    ...each(`${at}.ipBlock.except`, ipBlock.except, (range, path) => cidr(path, range)),
  );
  return podSelector || namespaceSelector
    ? [...causes, cause.forbidden(at, 'may not specify both ipBlock and another peer')]
    : causes;
}
