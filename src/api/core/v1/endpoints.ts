import { cause, labelProblems, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { Endpoints } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, ipAddress, named, oneOf, port } from '../../rules.ts';

export const endpoints: Override<Endpoints> = {
  default(object) {
    for (const { ports } of object.subsets ?? []) for (const entry of ports ?? []) entry.protocol ||= 'TCP';
  },
  validate: (object) => each('subsets', object.subsets, validateSubset),
  columns: [nameColumn, text('Endpoints', formatEndpoints), ageColumn],
};

type Subset = NonNullable<Endpoints['subsets']>[number];

function validateSubset({ addresses = [], notReadyAddresses = [], ports = [] }: Subset, at: string): StatusCause[] {
  const causes: StatusCause[] = [];
  if (addresses.length + notReadyAddresses.length === 0)
    causes.push(cause.required(at, 'must specify `addresses` or `notReadyAddresses`'));
  for (const [name, list] of [
    ['addresses', addresses],
    ['notReadyAddresses', notReadyAddresses],
  ] as const)
    causes.push(...each(`${at}.${name}`, list, ({ ip }, path) => ipAddress(`${path}.ip`, ip)));
  return [
    ...causes,
    ...each(`${at}.ports`, ports, (entry, path) => [
      ...(ports.length > 1 || entry.name ? named(`${path}.name`, entry.name, labelProblems) : []),
      ...port(`${path}.port`, entry.port),
      ...oneOf(`${path}.protocol`, entry.protocol, ['SCTP', 'TCP', 'UDP']),
    ]),
  ];
}

const shown = 3;

/** The first three addresses, and how many more there are. */
function formatEndpoints({ subsets = [] }: Endpoints): string {
  const list = subsets.flatMap(({ addresses = [], ports = [] }) => {
    if (ports.length === 0) return addresses.map(({ ip }) => ip);
    return ports.flatMap((entry) =>
      addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${entry.port}` : `${ip}:${entry.port}`)),
    );
  });
  if (list.length === 0) return '<none>';
  const more = list.length > shown ? ` + ${list.length - shown} more...` : '';
  return `${list.slice(0, shown).join(',')}${more}`;
}
