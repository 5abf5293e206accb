import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr } from '../ipv4.ts';
import { service, slice } from '../services/fixtures.suite.ts';
import { Authority } from './authority.ts';
import { readAnswer, readName, types, writeAnswer, writeQuery, readQuestion } from './codec.ts';
import { createZone, recordsOf } from './zone.ts';

/** Records in the way a zone file has them. */
function ask(authority: Authority, name: string, type: keyof typeof types): string | string[] {
  const answer = authority.answer(name, types[type]);
  if (answer === 'foreign') return 'foreign';
  if ('chase' in answer) return `chase ${answer.chase}`;
  const query = writeQuery(7, name, types[type]);
  const message = writeAnswer(query, readQuestion(query)!, answer, 65_535);
  const read = readAnswer(message)!;
  const shown = read.records.map(({ section, start, head, type: kind }) => {
    const at = head + 10;
    const owner = readName(message, start);
    if (kind === types.A) return `${section} ${owner} A ${[...message.subarray(at, at + 4)].join('.')}`;
    if (kind === types.SRV)
      return `${section} ${owner} SRV ${[0, 2, 4].map((i) => message.readUInt16BE(at + i)).join(' ')} ${readName(message, at + 6)}`;
    if (kind === types.SOA) return `${section} SOA`;
    if (kind === types.TXT)
      return `${section} ${owner} TXT ${message.toString('latin1', at + 1, at + 1 + message[at]!)}`;
    return `${section} ${owner} ${kind} ${readName(message, at)}`;
  });
  return read.code === 0 ? shown : [`code ${read.code}`, ...shown];
}

function cluster() {
  const zone = createZone();
  const put = (of: ReturnType<typeof service>, ...slices: ReturnType<typeof slice>[]) =>
    zone.set(`ns/${of.metadata.name}`, recordsOf(of, slices, 'cluster.local'));
  put(service('web', '10.96.0.9'));
  const named = slice('db', ['10.244.0.2', '10.244.0.3', '10.244.0.4!']);
  named.endpoints![0]!.hostname = 'db-0';
  put(service('db', 'None'), named);
  put(service('none', 'None'), slice('none', []));
  put(service('alias', '', { type: 'ExternalName', externalName: 'web.ns.svc.cluster.local' }));
  put(service('away', '', { type: 'ExternalName', externalName: 'Example.COM.' }));
  put(service('circle', '', { type: 'ExternalName', externalName: 'circle.ns.svc.cluster.local' }));
  const ranges = [parseCidr('10.244.0.0/16', ''), parseCidr('10.96.0.0/16', '')];
  return { zone, authority: new Authority({ zone, domain: 'cluster.local', ranges, address: () => '10.244.0.1' }) };
}

const soa = '1 SOA';
const tables: [says: string, name: string, type: keyof typeof types, gives: string | string[]][] = [
  ['a ClusterIP Service has its address', 'web.ns.svc.cluster.local', 'A', ['0 web.ns.svc.cluster.local A 10.96.0.9']],
  ['and no IPv6 address, which is not "no such name"', 'web.ns.svc.cluster.local', 'AAAA', [soa]],
  [
    'a named port has an SRV record, with the address beside it',
    '_http._tcp.web.ns.svc.cluster.local',
    'SRV',
    [
      '0 _http._tcp.web.ns.svc.cluster.local SRV 0 100 80 web.ns.svc.cluster.local',
      '2 web.ns.svc.cluster.local A 10.96.0.9',
    ],
  ],
  ['a port name in between exists, empty', '_tcp.web.ns.svc.cluster.local', 'A', [soa]],
  [
    'an address leads back to its Service',
    '9.0.96.10.in-addr.arpa',
    'PTR',
    ['0 9.0.96.10.in-addr.arpa 12 web.ns.svc.cluster.local'],
  ],
  [
    'a headless Service has the addresses of what is ready',
    'db.ns.svc.cluster.local',
    'A',
    ['0 db.ns.svc.cluster.local A 10.244.0.2', '0 db.ns.svc.cluster.local A 10.244.0.3'],
  ],
  [
    'a pod with a host name has a name',
    'db-0.db.ns.svc.cluster.local',
    'A',
    ['0 db-0.db.ns.svc.cluster.local A 10.244.0.2'],
  ],
  [
    'one without is named by its address',
    '10-244-0-3.db.ns.svc.cluster.local',
    'A',
    ['0 10-244-0-3.db.ns.svc.cluster.local A 10.244.0.3'],
  ],
  ['one that is not ready has none', '10-244-0-4.db.ns.svc.cluster.local', 'A', ['code 3', soa]],
  [
    'a pod leads back to its name',
    '2.0.244.10.in-addr.arpa',
    'PTR',
    ['0 2.0.244.10.in-addr.arpa 12 db-0.db.ns.svc.cluster.local'],
  ],
  [
    'SRV of a headless Service names each pod',
    '_http._tcp.db.ns.svc.cluster.local',
    'SRV',
    [
      '0 _http._tcp.db.ns.svc.cluster.local SRV 0 50 8080 db-0.db.ns.svc.cluster.local',
      '0 _http._tcp.db.ns.svc.cluster.local SRV 0 50 8080 10-244-0-3.db.ns.svc.cluster.local',
      '2 db-0.db.ns.svc.cluster.local A 10.244.0.2',
      '2 10-244-0-3.db.ns.svc.cluster.local A 10.244.0.3',
    ],
  ],
  ['a headless Service without endpoints does not resolve', 'none.ns.svc.cluster.local', 'A', ['code 3', soa]],
  [
    'an alias within the cluster is followed',
    'alias.ns.svc.cluster.local',
    'A',
    ['0 alias.ns.svc.cluster.local 5 web.ns.svc.cluster.local', '0 web.ns.svc.cluster.local A 10.96.0.9'],
  ],
  ['an alias of a name elsewhere is to be asked for', 'away.ns.svc.cluster.local', 'A', 'chase example.com'],
  ['an alias of itself fails', 'circle.ns.svc.cluster.local', 'A', ['code 2']],
  ['there is no such name', 'nobody.ns.svc.cluster.local', 'A', ['code 3', soa]],
  ['no wildcards', 'anything.web.ns.svc.cluster.local', 'A', ['code 3', soa]],
  ['a namespace exists without records', 'ns.svc.cluster.local', 'A', [soa]],
  [
    'a pod’s address by name',
    '10-244-0-9.ns.pod.cluster.local',
    'A',
    ['0 10-244-0-9.ns.pod.cluster.local A 10.244.0.9'],
  ],
  ['that is not an address', '10-244-0-999.ns.pod.cluster.local', 'A', ['code 3', soa]],
  ['the version of the schema', 'dns-version.cluster.local', 'TXT', ['0 dns-version.cluster.local TXT 1.1.0']],
  [
    'an address of the ranges that nobody has is not asked elsewhere',
    '77.0.244.10.in-addr.arpa',
    'PTR',
    ['code 3', soa],
  ],
  ['other names are not ours', 'example.com', 'A', 'foreign'],
  ['other addresses neither', '1.2.0.192.in-addr.arpa', 'PTR', 'foreign'],
  ['a name that only ends like ours is not ours', 'notcluster.local', 'A', 'foreign'],
];
for (const [says, name, type, gives] of tables) {
  test(`${says}: ${name} ${type}`, () => assert.deepEqual(ask(cluster().authority, name, type), gives));
}

test('a change is seen at once, and a Service that is gone takes its names along', () => {
  const { zone, authority: of } = cluster();
  assert.deepEqual(ask(of, 'web.ns.svc.cluster.local', 'A'), ['0 web.ns.svc.cluster.local A 10.96.0.9']);
  zone.set('ns/web', recordsOf(service('web', '10.96.0.10'), [], 'cluster.local'));
  assert.deepEqual(ask(of, 'web.ns.svc.cluster.local', 'A'), ['0 web.ns.svc.cluster.local A 10.96.0.10']);
  for (const name of ['web', 'db', 'alias', 'away', 'circle']) zone.set(`ns/${name}`, []);
  assert.deepEqual(ask(of, 'ns.svc.cluster.local', 'A'), ['code 3', soa]);
});

test('several addresses come in another order each time', () => {
  const { authority: of } = cluster();
  const firsts = [0, 1].map(() => ask(of, 'db.ns.svc.cluster.local', 'A')[0]);
  assert.notEqual(firsts[0], firsts[1]);
});
