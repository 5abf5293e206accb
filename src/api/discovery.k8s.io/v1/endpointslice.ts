import { cause, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { EndpointSlice } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, isIp, isIpv4, oneOf, within } from '../../rules.ts';

export const endpointSlice: Override<EndpointSlice> = {
  countsGenerations: true,
  default(object) {
    for (const entry of object.ports ?? []) {
      entry.name ??= '';
      entry.protocol ??= 'TCP';
    }
  },
  validate(object, old): StatusCause[] {
    const { endpoints = [], ports = [], addressType } = object;
    const causes = oneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']);
    if (old && addressType !== old.addressType)
      causes.push(cause.invalid('addressType', addressType, 'field is immutable'));
    if (endpoints.length > 1000) causes.push(cause.tooMany('endpoints', endpoints.length, 1000));
    if (ports.length > 20_000) causes.push(cause.tooMany('ports', ports.length, 20_000));
    // Large, and written often: unchanged endpoints were valid before.
    if (!old || !equalJson(old.endpoints, endpoints)) causes.push(...validateEndpoints(object));
    const names = new Set<string>();
    causes.push(
      ...each('ports', ports, ({ name = '', protocol, port }, at) => {
        const wrong = names.has(name) ? [cause.duplicate(`${at}.name`, name)] : [];
        names.add(name);
        return [
          ...wrong,
          ...oneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
          ...within(`${at}.port`, port, 1, 65535),
        ];
      }),
    );
    return causes;
  },
  columns: [
    nameColumn,
    text('AddressType', (object: EndpointSlice) => object.addressType ?? ''),
    text('Ports', ({ ports }: EndpointSlice) =>
      firstThree(
        (ports ?? []).map(({ port, name }) => (port === undefined ? name || '*' : String(port))),
        '<unset>',
      ),
    ),
    text('Endpoints', ({ endpoints }: EndpointSlice) =>
      firstThree(
        (endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
        '<unset>',
      ),
    ),
    ageColumn,
  ],
};

function validateEndpoints({ endpoints, addressType }: EndpointSlice): StatusCause[] {
  return each('endpoints', endpoints, ({ addresses = [] }, at) => {
    if (addresses.length === 0) return [cause.required(`${at}.addresses`, 'must contain at least 1 address')];
    if (addresses.length > 100) return [cause.tooMany(`${at}.addresses`, addresses.length, 100)];
    return each(`${at}.addresses`, addresses, (address, path) => {
      if (addressType === 'IPv4' && !isIpv4(address)) return [cause.invalid(path, address, 'must be an IPv4 address')];
      if (addressType === 'IPv6' && (!isIp(address) || isIpv4(address)))
        return [cause.invalid(path, address, 'must be an IPv6 address')];
      return [];
    });
  });
}

function firstThree(list: readonly string[], none: string): string {
  if (list.length === 0) return none;
  return list.length > 3 ? `${list.slice(0, 3).join(',')} + ${list.length - 3} more...` : list.join(',');
}
