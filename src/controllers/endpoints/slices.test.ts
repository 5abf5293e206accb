import assert from 'node:assert/strict';
import test from 'node:test';
import type { EndpointSlice, Pod, Service } from '../../api/index.ts';
import { endpointsFor } from './endpoints.ts';
import { groupsOf } from './endpointslice.ts';
import { mirrored } from './mirroring.ts';
import { membersOf } from './members.ts';
import { type EndpointGroup, sliceChanges, type SliceTemplate } from './slices.ts';

const template: SliceTemplate = {
  name: 'web',
  namespace: 'default',
  labels: { a: 'b' },
  owner: { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'u' },
};
const ports = [{ name: '', port: 80, protocol: 'TCP' as const }];
const endpoint = (i: number) => ({ addresses: [`10.0.0.${i}`], conditions: { ready: true } });
const group = (from: number, to: number, of = ports) => ({
  addressType: 'IPv4' as const,
  ports: of,
  endpoints: Array.from({ length: to - from }, (_, i) => endpoint(from + i)),
});
const stored = (name: string, from: number, to: number, of = ports): EndpointSlice => ({
  metadata: { name, namespace: 'default', labels: { a: 'b' } },
  ...group(from, to, of),
});
const counts = (changes: ReturnType<typeof sliceChanges>) => ({
  create: changes.create.map(({ endpoints }) => endpoints!.length),
  update: changes.update.map(({ metadata, endpoints }) => `${metadata.name} ${endpoints!.length}`),
  delete: changes.delete.map(({ metadata }) => metadata.name),
});

test('slices are written as seldom as can be', () => {
  const other = [{ ...ports[0]!, port: 81 }];
  for (const [what, groups, existing, expected] of [
    ['so many to a slice', [group(0, 25)], [], { create: [10, 10, 5], update: [], delete: [] }],
    ['nothing to do', [group(0, 10)], [stored('x', 0, 10)], { create: [], update: [], delete: [] }],
    ['one more where there is room', [group(0, 6)], [stored('x', 0, 5)], { create: [], update: ['x 6'], delete: [] }],
    ['full slices stay as they are', [group(0, 12)], [stored('x', 0, 10)], { create: [2], update: [], delete: [] }],
    [
      'an empty one goes',
      [group(0, 3)],
      [stored('x', 0, 3), stored('y', 3, 5)],
      { create: [], update: [], delete: ['y'] },
    ],
    [
      'but not the last',
      [{ ...group(0, 0), ports: [] }],
      [stored('x', 0, 3)],
      { create: [], update: ['x 0'], delete: [] },
    ],
    ['other ports, same slice', [group(0, 3, other)], [stored('x', 0, 3)], { create: [], update: ['x 3'], delete: [] }],
    ['an empty Service has a slice', [{ ...group(0, 0), ports: [] }], [], { create: [0], update: [], delete: [] }],
  ] as [string, EndpointGroup[], EndpointSlice[], object][])
    assert.deepEqual(counts(sliceChanges(template, groups, existing, 10)), expected, what);
});

const service = (spec: Partial<Service['spec']> = {}): Service =>
  ({
    metadata: { name: 'web', namespace: 'default', uid: 's', labels: { team: 'a' } },
    spec: {
      clusterIP: '10.96.0.7',
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
      ...spec,
    },
  }) as Service;

function pod(
  name: string,
  change: { ready?: boolean; going?: boolean; port?: number; ip?: string; phase?: string; spec?: object } = {},
): Pod {
  const { ready = true, going = false, port = 8080, ip = '10.0.0.1', phase = 'Running' } = change;
  return {
    metadata: { name, namespace: 'default', uid: name, ...(going && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    spec: {
      nodeName: 'n',
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }],
      ...change.spec,
    },
    status: { phase, podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  } as Pod;
}

test('an endpoint says how its pod is', () => {
  const of = (change: Parameters<typeof pod>[1], spec?: Partial<Service['spec']>) =>
    groupsOf(service(spec), membersOf(service(spec), [pod('a', change)]))[0]!.endpoints[0]?.conditions;
  assert.deepEqual(of({}), { ready: true, serving: true, terminating: false });
  assert.deepEqual(of({ ready: false }), { ready: false, serving: false, terminating: false });
  assert.deepEqual(of({ going: true }), { ready: false, serving: true, terminating: true });
  assert.deepEqual(of({ ready: false }, { publishNotReadyAddresses: true }), {
    ready: true,
    serving: false,
    terminating: false,
  });
  for (const phase of ['Succeeded', 'Failed']) assert.equal(of({ phase }), undefined);
  assert.equal(of({ ip: '' }), undefined);
});

test('a named target port is looked up in each pod', () => {
  const pods = [pod('a'), pod('b', { port: 9090 }), pod('c', { spec: { containers: [{ name: 'c' }] } })];
  const groups = groupsOf(service(), membersOf(service(), pods));
  assert.deepEqual(
    groups.map((one) => [one.ports.map(({ port }) => port), one.endpoints.map(({ targetRef }) => targetRef!.name)]),
    [
      [[8080], ['a']],
      [[9090], ['b']],
      [[], ['c']],
    ],
  );
});

test('host names, zones and hints are those of the pod and its node', () => {
  const near = service({ trafficDistribution: 'PreferSameNode' });
  const named = pod('a', { spec: { hostname: 'db-0', subdomain: 'web', nodeName: 'n', containers: [] } });
  const [first] = groupsOf(
    near,
    membersOf(near, [named], () => 'z'),
  )[0]!.endpoints;
  assert.equal(first!.hostname, 'db-0');
  assert.equal(first!.zone, 'z');
  assert.deepEqual(first!.hints, { forZones: [{ name: 'z' }], forNodes: [{ name: 'n' }] });
});

test('both families of a Service have slices of their own', () => {
  const both = service({ ipFamilies: ['IPv4', 'IPv6'] });
  const dual = pod('a');
  dual.status!.podIPs = [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }];
  assert.deepEqual(
    groupsOf(both, membersOf(both, [dual])).map(({ addressType, endpoints }) => [addressType, endpoints[0]!.addresses]),
    [
      ['IPv4', ['10.0.0.1']],
      ['IPv6', ['fd00::1']],
    ],
  );
});

test('Endpoints tell ready from not ready, and leave out what is ending', () => {
  const pods = [pod('a'), pod('b', { ready: false, ip: '10.0.0.2' }), pod('c', { going: true, ip: '10.0.0.3' })];
  const { subsets, metadata } = endpointsFor(service(), membersOf(service(), pods));
  assert.equal(subsets!.length, 1);
  assert.deepEqual(
    subsets![0]!.addresses!.map(({ ip }) => ip),
    ['10.0.0.1'],
  );
  assert.deepEqual(
    subsets![0]!.notReadyAddresses!.map(({ ip }) => ip),
    ['10.0.0.2'],
  );
  assert.deepEqual(subsets![0]!.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  assert.deepEqual(metadata.labels, { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
});

test('Endpoints hold a thousand addresses at most, and say so', () => {
  const pods = Array.from({ length: 1200 }, (_, i) =>
    pod(`p${i}`, { ready: i >= 300, ip: `10.0.${i >> 8}.${i & 255}` }),
  );
  const { subsets, metadata } = endpointsFor(service(), membersOf(service(), pods));
  assert.equal(subsets![0]!.addresses!.length, 900);
  assert.equal(subsets![0]!.notReadyAddresses!.length, 100);
  assert.equal(metadata.annotations!['endpoints.kubernetes.io/over-capacity'], 'truncated');
});

test('Endpoints written by hand become slices, each family its own', () => {
  const groups = mirrored({
    metadata: { name: 'x' },
    subsets: [
      {
        addresses: [{ ip: '192.0.2.1' }, { ip: 'fd00::1' }],
        notReadyAddresses: [{ ip: '192.0.2.2' }],
        ports: [{ port: 5432, protocol: 'TCP' }],
      },
    ],
  });
  assert.deepEqual(
    groups.map(({ addressType, endpoints }) => [
      addressType,
      endpoints.map(({ addresses, conditions }) => `${addresses[0]} ${conditions!.ready}`),
    ]),
    [
      ['IPv4', ['192.0.2.1 true', '192.0.2.2 false']],
      ['IPv6', ['fd00::1 true']],
    ],
  );
});
