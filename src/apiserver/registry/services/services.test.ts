import assert from 'node:assert/strict';
import test from 'node:test';
import { ipAddresses, type IPAddress, type Service, serviceCIDRs, services } from '../../../api/index.ts';
import { isStatusError } from '../../../machinery/index.ts';
import { startCluster } from '../../../testing/index.ts';

const namespace = 'default';
const quiet = { controllers: false, scheduler: false } as const;

function service(name: string, spec: object = {}): Service {
  return { metadata: { name, namespace }, spec: { ports: [{ port: 80 }], ...spec } } as Service;
}

test('an address is the Service’s by an IPAddress, which comes and goes with it', async () => {
  await using cluster = await startCluster(quiet);
  const { client } = cluster;
  const made = await client.create<Service>(services, service('web'));
  const address = made.spec!.clusterIP!;
  const held = await client.get<IPAddress>(ipAddresses, { name: address });
  assert.deepEqual(held.spec?.parentRef, { group: '', resource: 'services', namespace, name: 'web' });
  const external = { ...made, spec: { type: 'ExternalName', externalName: 'example.org' } } as Service;
  await client.update<Service>(services, external);
  const gone = (error: unknown) => isStatusError(error, 'NotFound');
  await assert.rejects(async () => client.get(ipAddresses, { name: address }), gone);
  const back = await client.patch<Service>(
    services,
    { name: 'web', namespace },
    { type: 'merge', body: { spec: { type: 'ClusterIP', externalName: null, ports: [{ port: 80 }] } } },
  );
  await client.get(ipAddresses, { name: back.spec!.clusterIP! });
  await client.delete(services, { name: 'web', namespace });
  await assert.rejects(async () => client.get(ipAddresses, { name: back.spec!.clusterIP! }), gone);
});

test('an address that an IPAddress names is not given to a Service', async () => {
  await using cluster = await startCluster(quiet);
  const { client } = cluster;
  const parentRef = { group: 'example.org', resource: 'gateways', name: 'edge' };
  await client.create<IPAddress>(ipAddresses, { metadata: { name: '10.96.77.7' }, spec: { parentRef } });
  await assert.rejects(
    async () => client.create(services, service('web', { clusterIP: '10.96.77.7' })),
    /spec\.clusterIPs: Invalid value: .*10\.96\.77\.7.*already allocated/,
  );
  await client.delete(ipAddresses, { name: '10.96.77.7' });
  await client.create(services, service('web', { clusterIP: '10.96.77.7' }));
});

test('the range is an object, and the first Service has its IPAddress from the beginning', async () => {
  await using cluster = await startCluster(quiet);
  const { client } = cluster;
  assert.deepEqual((await client.get<any>(serviceCIDRs, { name: 'kubernetes' })).spec.cidrs, ['10.96.0.0/16']);
  const held = await client.get<IPAddress>(ipAddresses, { name: '10.96.0.1' });
  assert.equal(held.spec?.parentRef?.name, 'kubernetes');
});

test('two servers over one store never give one address twice', async () => {
  await using first = await startCluster(quiet);
  await using second = await startCluster({ ...quiet, store: first.store });
  const made = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 ? first : second).client.create<Service>(services, service(`web-${i}`)),
    ),
  );
  const given = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.spec!.clusterIP] : []));
  assert.equal(given.length, 40);
  assert.equal(new Set(given).size, 40);
});

test('two servers over one store never give one node port twice', async () => {
  await using first = await startCluster(quiet);
  await using second = await startCluster({ ...quiet, store: first.store });
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 ? first : second).client.create<Service>(services, service(`web-${i}`, { type: 'NodePort' })),
    ),
  );
  assert.equal(new Set(made.map((one) => one.spec!.ports![0]!.nodePort)).size, 40);
  const chosen = (name: string) => service(name, { type: 'NodePort', ports: [{ port: 80, nodePort: 32_000 }] });
  const both = await Promise.allSettled(
    [first, second].map(({ client }, i) => client.create(services, chosen(`chosen-${i}`))),
  );
  const refused = both.find((one) => one.status === 'rejected');
  assert.equal(both.filter((one) => one.status === 'fulfilled').length, 1);
  assert.match(
    String(refused?.reason),
    /spec\.ports\[\]\.nodePort: Invalid value: 32000: provided port is already allocated/,
  );
  const winner = both[0]!.status === 'fulfilled' ? 'chosen-0' : 'chosen-1';
  await first.client.delete(services, { name: winner, namespace });
  await second.client.create(services, chosen('chosen-again'));
});
