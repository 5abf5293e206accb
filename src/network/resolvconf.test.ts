import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from './objects.ts';
import { resolvConfFor, resolvConfText } from './resolvconf.ts';

const source = {
  clusterDNS: ['10.244.0.1'],
  clusterDomain: 'cluster.local',
  host: { nameservers: ['192.0.2.53'], searches: ['corp.example'], options: ['rotate'] },
};
const cluster = {
  nameservers: ['10.244.0.1'],
  searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example'],
  options: ['ndots:5'],
};
const tables: [says: string, spec: Pod['spec'], gives: object][] = [
  ['ClusterFirst is the default', {}, cluster],
  ['on the host’s network it means the host’s', { dnsPolicy: 'ClusterFirst', hostNetwork: true }, source.host],
  ['unless it says otherwise', { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, cluster],
  ['Default is the host’s', { dnsPolicy: 'Default' }, source.host],
  [
    'None has what dnsConfig says, and nothing else',
    {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['192.0.2.1'],
        searches: ['x'],
        options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
      },
    },
    { nameservers: ['192.0.2.1'], searches: ['x'], options: ['ndots:2', 'edns0'] },
  ],
  [
    'dnsConfig adds to the policy, and its options win',
    {
      dnsConfig: {
        nameservers: ['192.0.2.1'],
        searches: ['x', 'cluster.local'],
        options: [{ name: 'ndots', value: '2' }],
      },
    },
    { nameservers: ['10.244.0.1', '192.0.2.1'], searches: [...cluster.searches, 'x'], options: ['ndots:2'] },
  ],
  [
    'no more than three servers',
    { dnsConfig: { nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3'] } },
    { ...cluster, nameservers: ['10.244.0.1', '1.1.1.1', '2.2.2.2'] },
  ],
];
for (const [says, spec, gives] of tables) {
  test(says, () => assert.deepEqual(resolvConfFor({ metadata: { name: 'p', namespace: 'ns' }, spec }, source), gives));
}

test('as a file', () => {
  assert.equal(
    resolvConfText({ nameservers: ['10.244.0.1'], searches: ['a', 'b'], options: ['ndots:5'] }),
    'search a b\nnameserver 10.244.0.1\noptions ndots:5\n',
  );
});
