import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Service } from '../objects.ts';
import { Desired } from './desired.ts';
import { service, slice } from './fixtures.suite.ts';
import { changeText } from './nft.ts';
import { emptyRuleset, rulesFor, rulesOf } from './rules.ts';

const elements = (of: Service, slices: EndpointSlice[]) =>
  [...rulesFor([of], slices, 'here').elements].map(([id, value]) => (value === '' ? id : `${id} -> ${value}`));

const tables: { says: string; of: Service; slices: EndpointSlice[]; gives: string[] }[] = [
  {
    says: 'a ClusterIP leads to a draw among its ready endpoints, on whatever node',
    of: service('web', '10.96.0.9'),
    slices: [slice('web', ['10.244.0.3', '10.244.0.2@there', '10.244.0.4!'])],
    gives: [
      'hairpin|10.244.0.3 . 10.244.0.3',
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000000 -> 10.244.0.2 . 8080',
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000001 -> 10.244.0.3 . 8080',
      'services|10.96.0.9 . tcp . 80 -> goto pick-2',
    ],
  },
  {
    says: 'without any endpoint it is refused',
    of: service('web', '10.96.0.9'),
    slices: [slice('web', ['10.244.0.4!'])],
    gives: ['refused|10.96.0.9 . tcp . 80 -> goto refuse'],
  },
  {
    says: 'an endpoint that terminates but serves gets traffic when there is no other',
    of: service('web', '10.96.0.9'),
    slices: [slice('web', ['10.244.0.4~@there'])],
    gives: [
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000000 -> 10.244.0.4 . 8080',
      'services|10.96.0.9 . tcp . 80 -> goto pick-1',
    ],
  },
  {
    says: 'a terminating endpoint gets none while another is ready',
    of: service('web', '10.96.0.9'),
    slices: [slice('web', ['10.244.0.4~@there', '10.244.0.5@there'])],
    gives: [
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000000 -> 10.244.0.5 . 8080',
      'services|10.96.0.9 . tcp . 80 -> goto pick-1',
    ],
  },
  {
    says: 'internalTrafficPolicy Local without an endpoint here is silent',
    of: service('web', '10.96.0.9', { internalTrafficPolicy: 'Local' }),
    slices: [slice('web', ['10.244.0.4@there'])],
    gives: ['refused|10.96.0.9 . tcp . 80 -> drop'],
  },
  {
    says: 'externalTrafficPolicy Local: outsiders find the endpoints here and keep their address, insiders all',
    of: service('web', '10.96.0.9', { type: 'NodePort', externalTrafficPolicy: 'Local' }, [
      { name: 'http', port: 80, nodePort: 30080 },
    ]),
    slices: [slice('web', ['10.244.0.3', '10.244.1.4@there'])],
    gives: [
      'hairpin|10.244.0.3 . 10.244.0.3',
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000000 -> 10.244.0.3 . 8080',
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000001 -> 10.244.1.4 . 8080',
      'services|10.96.0.9 . tcp . 80 -> goto pick-2',
      'node-endpoints|tcp . 30080 . 0x67000000 -> 10.244.0.3 . 8080',
      'node-ports|tcp . 30080 -> goto pick-1-node',
      'node-endpoints|tcp . 30080 . 0x67c00000 -> 10.244.0.3 . 8080',
      'node-endpoints|tcp . 30080 . 0x67c00001 -> 10.244.1.4 . 8080',
      'node-insiders|tcp . 30080 -> goto pick-2-node-masquerade-insider',
    ],
  },
  {
    says: 'external and load balancer addresses hide the caller',
    of: {
      ...service('web', '10.96.0.9', { type: 'LoadBalancer', externalIPs: ['192.0.2.7'] }),
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.8' }, { ip: '192.0.2.9', ipMode: 'Proxy' }] } },
    },
    slices: [slice('web', ['10.244.0.4@there'])],
    gives: [
      'endpoints|10.96.0.9 . tcp . 80 . 0x67000000 -> 10.244.0.4 . 8080',
      'services|10.96.0.9 . tcp . 80 -> goto pick-1',
      'endpoints|192.0.2.7 . tcp . 80 . 0x67800000 -> 10.244.0.4 . 8080',
      'services|192.0.2.7 . tcp . 80 -> goto pick-1-masquerade',
      'endpoints|192.0.2.8 . tcp . 80 . 0x67800000 -> 10.244.0.4 . 8080',
      'services|192.0.2.8 . tcp . 80 -> goto pick-1-masquerade',
    ],
  },
  {
    says: 'ports are matched by name and protocol',
    of: service('dns', '10.96.0.10', {}, [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ]),
    slices: [slice('dns', ['10.244.0.1@there'], { name: 'dns', protocol: 'UDP', port: 5353 })],
    gives: [
      'endpoints|10.96.0.10 . udp . 53 . 0x67000000 -> 10.244.0.1 . 5353',
      'services|10.96.0.10 . udp . 53 -> goto pick-1',
      'refused|10.96.0.10 . tcp . 53 -> goto refuse',
    ],
  },
  { says: 'a headless Service is not here', of: service('h', 'None'), slices: [slice('h', ['10.244.0.1'])], gives: [] },
  {
    says: 'nor is an ExternalName',
    of: service('x', '', { type: 'ExternalName', externalName: 'a.example' }),
    slices: [],
    gives: [],
  },
];
for (const { says, of, slices, gives } of tables) {
  test(says, () => assert.deepEqual(elements(of, slices), gives));
}

test('a change of one endpoint changes its elements and nothing else', () => {
  const desired = new Desired();
  const web = service('web', '10.96.0.9');
  desired.set('ns/web', rulesOf(web, [slice('web', ['10.244.0.2', '10.244.0.3'])], 'here'));
  desired.set('ns/other', rulesOf(service('other', '10.96.0.8'), [slice('other', ['10.244.0.2'])], 'here'));
  const picks = new Set<string>();
  assert.match(
    changeText({ from: emptyRuleset(), to: desired.takeAll(), picks }),
    /add chain inet glasshouse pick-2\n/,
  );
  desired.set('ns/web', rulesOf(web, [slice('web', ['10.244.0.3'])], 'here'));
  const text = changeText({ ...desired.take(), picks });
  // 10.244.0.2 stays in `hairpin`: the other Service has it, too.
  assert.deepEqual(text.trim().split('\n'), [
    'delete element inet glasshouse endpoints { 10.96.0.9 . tcp . 80 . 0x67000001 }',
    'delete element inet glasshouse endpoints { 10.96.0.9 . tcp . 80 . 0x67000000 }',
    'delete element inet glasshouse services { 10.96.0.9 . tcp . 80 }',
    'add element inet glasshouse endpoints { 10.96.0.9 . tcp . 80 . 0x67000000 : 10.244.0.3 . 8080 }',
    'add element inet glasshouse services { 10.96.0.9 . tcp . 80 : goto pick-1 }',
  ]);
  assert.equal(changeText({ ...desired.take(), picks }), '');
});

const shared = (name: string, ip: string) =>
  rulesOf(
    service(name, ip, { externalIPs: ['192.0.2.7'] }),
    [slice(name, [`10.244.0.${name === 'a' ? 2 : 3}`])],
    'here',
  );

test('two Services with one external address: the first has it, the second gets it when the first lets go', () => {
  const desired = new Desired();
  const id = 'endpoints|192.0.2.7 . tcp . 80 . 0x67800000';
  desired.set('ns/a', shared('a', '10.96.0.8'));
  desired.set('ns/b', shared('b', '10.96.0.9'));
  assert.equal(desired.takeAll().elements.get(id), '10.244.0.2 . 8080');
  desired.set('ns/a', emptyRuleset());
  assert.equal(desired.take().to.elements.get(id), '10.244.0.3 . 8080');
});
