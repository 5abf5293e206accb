import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configMaps } from '../../src/api/index.ts';
import { localClient } from '../../src/client/index.ts';
import { startEtcd, withoutEtcd } from '../../src/store/testkit/etcd.ts';
import { apiserverOver } from './etcd-apiserver.ts';

const program = fileURLToPath(new URL('./etcd-process.ts', import.meta.url));
/** Of a Lease, as components use it by default, in milliseconds: the longest that writes may stall. */
const leaseDuration = 15_000;

interface Server {
  readonly child: ChildProcess;
  readonly facts: { at: number; what: string; value: string }[];
  of(what: string): string[];
}

function start(endpoints: readonly string[], name: string): Server {
  const child = spawn(process.execPath, [program, endpoints.join(','), name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const facts: Server['facts'] = [];
  createInterface(child.stdout!).on('line', (line) => {
    const [what = '', value = ''] = line.split(' ');
    facts.push({ at: performance.now(), what, value });
  });
  return { child, facts, of: (what) => facts.filter((fact) => fact.what === what).map(({ value }) => value) };
}

async function eventually(what: string, check: () => boolean, within = 20_000): Promise<void> {
  for (const until = performance.now() + within; !check(); await sleep(20))
    assert.ok(performance.now() < until, `${what}: not within ${within} ms`);
}

const reason = withoutEtcd();
test('two API servers over three members of etcd: any one of the five may be killed and no acknowledged write is lost', {
  timeout: 120_000,
  skip: reason,
}, async (t) => {
  const etcd = await startEtcd({ members: 3 });
  t.after(() => etcd.stop());
  const { store, apiserver } = await apiserverOver(etcd.endpoints);
  t.after(async () => {
    await apiserver.close();
    await store.close();
  });
  const client = localClient(
    apiserver.local({ name: 'observer', groups: ['system:masters', 'system:authenticated'] }, 'observer'),
  );
  await client.create(configMaps, { metadata: { name: 'counter', namespace: 'default' }, data: { count: '0' } });
  const watching = new AbortController();
  t.after(() => watching.abort());
  const watched = new Map<string, number>();
  void (async () => {
    for await (const { object } of client.watch(configMaps, { namespace: 'default', signal: watching.signal }))
      watched.set(object.metadata!.name!, Number(object.metadata!.resourceVersion));
  })().catch(() => {});

  const servers = ['a', 'b'].map((name) => start(etcd.endpoints, name));
  t.after(() => servers.forEach(({ child }) => child.kill('SIGKILL')));
  const writing = (server: Server) => {
    const before = server.of('ack').length;
    return eventually('acknowledged writes', () => server.of('ack').length > before + 20);
  };
  await Promise.all(servers.map(writing));
  await eventually('a leader', () => servers.some((server) => server.of('leading').length > 0));

  // each in turn, so the leader of etcd is among them
  for (const member of etcd.members) {
    await member.kill();
    await Promise.all(servers.map(writing));
    member.restart();
    await sleep(1_000);
  }
  const leaders = servers.filter((server) => server.of('leading').length > server.of('following').length);
  assert.ok(leaders.length <= 1, 'two lead');
  const killed = leaders[0] ?? servers[0]!;
  const other = servers.find((server) => server !== killed)!;
  killed.child.kill('SIGKILL');
  await writing(other);
  await eventually('another leader', () => other.of('leading').length > other.of('following').length);
  other.child.kill('SIGKILL');
  await eventually('the last line', () => other.child.exitCode !== null || other.child.signalCode !== null);

  const acknowledged = servers.flatMap((server) => server.of('ack'));
  const stored = new Set(
    (await client.list(configMaps, { namespace: 'default' })).items.map((one) => one.metadata!.name!),
  );
  for (const name of acknowledged) {
    assert.ok(stored.has(name), `${name} was acknowledged and is lost`);
    assert.ok(watched.has(name), `${name} was never seen by a watch`);
  }
  const counts = servers.flatMap((server) => server.of('count')).map(Number);
  assert.equal(new Set(counts).size, counts.length, 'two writers raised the counter to the same number');
  const counter = await client.get(configMaps, { name: 'counter', namespace: 'default' });
  assert.ok(Number(counter.data!.count) >= Math.max(...counts), 'the counter fell back');
  const stall = Math.max(...servers.map(longestStall));
  assert.ok(stall < leaseDuration, `writes stalled for ${stall} ms`);
  t.diagnostic(`${acknowledged.length} acknowledged writes found again; the longest stall was ${Math.round(stall)} ms`);
});

function longestStall({ facts }: Server): number {
  const acks = facts.filter(({ what }) => what === 'ack').map(({ at }) => at);
  return Math.max(0, ...acks.slice(1).map((at, i) => at - acks[i]!));
}
