import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import dnsPacket from 'dns-packet';
import { quiet } from '../../client/index.ts';
import { seededRandom, systemClock } from '../../machinery/index.ts';
import { parseCidr } from '../ipv4.ts';
import { service, slice } from '../services/fixtures.suite.ts';
import { Authority } from './authority.ts';
import { framed } from './exchange.ts';
import { Forwarder } from './forward.ts';
import { startDns } from './server.ts';
import { parseResolvConf, type Upstream, upstreamsOf } from './upstreams.ts';
import { createZone, recordsOf } from './zone.ts';

/** A name server of elsewhere, made with somebody else's codec. */
async function upstream(t: TestContext, answer: (name: string, tcp: boolean) => Partial<dnsPacket.Packet> | undefined) {
  const asked: string[] = [];
  const reply = (message: Buffer, tcp: boolean): Buffer | undefined => {
    const query = dnsPacket.decode(message);
    const name = query.questions?.[0]?.name ?? '';
    if (!name.endsWith('loop.glasshouse.invalid')) asked.push(`${name} ${tcp ? 'tcp' : 'udp'}`);
    const found = answer(name, tcp);
    return found && dnsPacket.encode({ type: 'response', id: query.id, questions: query.questions, ...found });
  };
  const socket = createSocket('udp4', (message, from) => {
    const out = reply(message, false);
    if (out) socket.send(out, from.port, from.address);
  });
  const server = createServer((stream) => {
    stream.on('error', () => {});
    stream.on('data', (chunk) => {
      const out = reply(chunk.subarray(2), true);
      if (out) stream.write(framed(out));
    });
  });
  // streams first: what they are given is seldom taken for datagrams, the other way round it often is
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', () => resolve()));
  t.after(() => {
    socket.close();
    server.close();
  });
  return { asked, upstream: { address: '127.0.0.1', port } };
}

async function dns(t: TestContext, upstreams: Upstream[] = []) {
  const zone = createZone();
  zone.set('web', recordsOf(service('web', '10.96.0.9'), [], 'cluster.local'));
  const away = service('away', '', { type: 'ExternalName', externalName: 'example.com' });
  zone.set('away', recordsOf(away, [], 'cluster.local'));
  const many = Array.from({ length: 100 }, (_, i) => `10.244.0.${i + 2}`);
  zone.set('many', recordsOf(service('many', 'None'), [slice('many', many)], 'cluster.local'));
  const authority = new Authority({
    zone,
    domain: 'cluster.local',
    ranges: [parseCidr('10.96.0.0/16', '')],
    address: () => '127.0.0.1',
  });
  const forwarder = new Forwarder({ upstreams, clock: systemClock, random: seededRandom(1), log: quiet, timeout: 200 });
  const server = await startDns({ authority, forwarder, address: '127.0.0.1', port: 0 });
  t.after(() => server.stop());
  const resolver = new Resolver({ tries: 1, timeout: 3000 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return { server, resolver, forwarder };
}

async function raw(port: number, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    const answer = new Promise<Buffer>((resolve) => socket.on('message', resolve));
    socket.send(message, port, '127.0.0.1');
    return await Promise.race([answer, systemClock.sleep(2000).then(() => Promise.reject(new Error('no answer')))]);
  } finally {
    socket.close();
  }
}

const query = (name: string, more: Partial<dnsPacket.Packet> = {}): Buffer =>
  dnsPacket.encode({
    type: 'query',
    id: 4711,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    ...more,
  });

test('a stock resolver gets addresses, ports, names, and the two kinds of no', async (t) => {
  const { resolver } = await dns(t);
  assert.deepEqual(await resolver.resolve4('web.ns.svc.cluster.local', { ttl: true }), [
    { address: '10.96.0.9', ttl: 5 },
  ]);
  const srv = [{ name: 'web.ns.svc.cluster.local', port: 80, priority: 0, weight: 100, type: 'SRV' }];
  assert.deepEqual(await resolver.resolveSrv('_http._tcp.web.ns.svc.cluster.local'), srv);
  assert.deepEqual(await resolver.reverse('10.96.0.9'), ['web.ns.svc.cluster.local']);
  assert.equal((await resolver.resolveSoa('cluster.local')).minttl, 5);
  await assert.rejects(resolver.resolve4('nobody.ns.svc.cluster.local'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve6('web.ns.svc.cluster.local'), { code: 'ENODATA' });
});

test('the spelling of the question comes back as it was sent', async (t) => {
  const { server } = await dns(t);
  const answer = dnsPacket.decode(await raw(server.port, query('WeB.nS.svc.CLUSTER.local')));
  assert.equal(answer.questions?.[0]?.name, 'WeB.nS.svc.CLUSTER.local');
  assert.deepEqual(
    answer.answers?.map((each) => 'data' in each && each.data),
    ['10.96.0.9'],
  );
});

test('an answer that does not fit says so; by TCP, or with EDNS, it comes whole', async (t) => {
  const { server, resolver } = await dns(t);
  const short = await raw(server.port, query('many.ns.svc.cluster.local'));
  assert.ok(short.length <= 512);
  assert.equal(dnsPacket.decode(short).flag_tc, true);
  assert.equal((await resolver.resolve4('many.ns.svc.cluster.local')).length, 100);
});

test('what is not a question gets "malformed" or silence, and the server lives on', async (t) => {
  const { server, resolver } = await dns(t);
  const broken = [Buffer.from([1, 2]), Buffer.alloc(11), Buffer.alloc(600, 0xff), query('a.b').subarray(0, 17)];
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  for (const message of broken) socket.send(message, server.port, '127.0.0.1');
  const loop = Buffer.concat([query('a').subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]);
  assert.equal((await raw(server.port, loop))[3]! & 15, 1);
  const update = query('web.ns.svc.cluster.local');
  update[2] = 0x28;
  assert.equal((await raw(server.port, update))[3]! & 15, 4);
  assert.equal((await resolver.resolve4('web.ns.svc.cluster.local')).length, 1);
});

test('several questions on one connection, cut anywhere, are all answered', async (t) => {
  const { server } = await dns(t);
  const stream = connect(server.port, '127.0.0.1');
  t.after(() => stream.destroy());
  const bytes = Buffer.concat([
    framed(query('web.ns.svc.cluster.local')),
    framed(query('x.cluster.local', { id: 4712 })),
  ]);
  let received: Buffer = Buffer.alloc(0);
  const ids: number[] = [];
  const done = new Promise<void>((resolve) => {
    stream.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        ids.push(dnsPacket.decode(received.subarray(2, received.readUInt16BE(0) + 2)).id ?? 0);
        received = received.subarray(received.readUInt16BE(0) + 2);
      }
      if (ids.length === 2) resolve();
    });
  });
  stream.setNoDelay();
  for (const byte of bytes) stream.write(Buffer.from([byte]));
  await done;
  assert.deepEqual(ids.toSorted(), [4711, 4712]);
});

test('other names are asked of the host’s servers, once while the answer lasts', async (t) => {
  const { asked, upstream: to } = await upstream(t, (name) => ({
    answers: name === 'example.com' ? [{ type: 'A', name, ttl: 300, data: '192.0.2.1' }] : [],
    flags: name === 'example.com' ? 0 : 3,
  }));
  const { resolver } = await dns(t, [to]);
  assert.deepEqual(await resolver.resolve4('example.com'), ['192.0.2.1']);
  assert.deepEqual(await resolver.resolve4('example.com'), ['192.0.2.1']);
  assert.deepEqual(asked, ['example.com udp']);
  await assert.rejects(resolver.resolve4('nobody.example.com'), { code: 'ENOTFOUND' });
  assert.deepEqual(await resolver.resolve4('away.ns.svc.cluster.local'), ['192.0.2.1']);
});

test('a truncated answer from elsewhere makes the client come by TCP, and that is forwarded by TCP', async (t) => {
  const { asked, upstream: to } = await upstream(t, (name, tcp) => ({
    flags: tcp ? 0 : dnsPacket.TRUNCATED_RESPONSE,
    answers: tcp ? [{ type: 'A', name, ttl: 300, data: '192.0.2.1' }] : [],
  }));
  const { resolver } = await dns(t, [to]);
  assert.deepEqual(await resolver.resolve4('large.example'), ['192.0.2.1']);
  assert.deepEqual(asked, ['large.example udp', 'large.example tcp']);
});

test('a server that is silent or fails is passed over; when none answers it is "failed", soon', async (t) => {
  const silent = await upstream(t, () => undefined);
  const failing = await upstream(t, () => ({ flags: 2 }));
  const good = await upstream(t, (name) => ({ answers: [{ type: 'A', name, ttl: 1, data: '192.0.2.1' }] }));
  const { resolver } = await dns(t, [silent.upstream, failing.upstream, good.upstream]);
  assert.deepEqual(await resolver.resolve4('example.com'), ['192.0.2.1']);
  const { resolver: alone, forwarder } = await dns(t, [silent.upstream]);
  await assert.rejects(alone.resolve4('example.com'), { code: 'ESERVFAIL' });
  assert.equal(forwarder.counts.failed, 1);
});

test('a circle of servers is found and cut', async (t) => {
  const holder: { port: number } = { port: 0 };
  const socket = createSocket('udp4', (message, from) => {
    const onward = createSocket('udp4', (answer) => {
      socket.send(answer, from.port, from.address);
      onward.close();
    });
    onward.send(message, holder.port, '127.0.0.1');
    onward.unref();
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
  t.after(() => socket.close());
  const { server, resolver, forwarder } = await dns(t, [{ address: '127.0.0.1', port: socket.address().port }]);
  holder.port = server.port;
  await assert.rejects(resolver.resolve4('example.com'));
  const before = forwarder.counts.forwarded;
  await assert.rejects(resolver.resolve4('other.example'), { code: 'ESERVFAIL' });
  assert.equal(forwarder.counts.forwarded, before);
});

test('the host’s resolv.conf, without ourselves', () => {
  const conf = parseResolvConf(
    '# x\nnameserver 10.96.0.10\nnameserver 192.0.2.53 ; y\nsearch a b\noptions ndots:2 rotate\nnameserver junk\n',
  );
  assert.deepEqual(conf, {
    nameservers: ['10.96.0.10', '192.0.2.53'],
    searches: ['a', 'b'],
    options: ['ndots:2', 'rotate'],
  });
  assert.deepEqual(upstreamsOf(conf, [{ address: '10.96.0.10', port: 53 }]), [{ address: '192.0.2.53', port: 53 }]);
});
