import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { leases } from '../api/index.ts';
import { seededRandom, StatusError } from '../machinery/index.ts';
import { runLeaderElection } from './leaderelection.ts';
import { VirtualClock } from './testkit/clock.ts';
import { StubServer } from './testkit/server.ts';

const lease = { namespace: 'kube-system', name: 'boss' };

function stage(t: TestContext) {
  const server = new StubServer();
  const clock = new VirtualClock();
  const leading = new Set<string>();
  const candidate = (identity: string, client = server.client()) => {
    const stop = new AbortController();
    const seen: string[] = [];
    const onStartedLeading = (signal: AbortSignal) => {
      assert.equal(leading.size, 0, `${identity} leads beside ${[...leading]}`);
      leading.add(identity);
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          leading.delete(identity);
          resolve();
        });
      });
    };
    const onNewLeader = (leader: string) => void seen.push(leader);
    const random = seededRandom(identity.length);
    const ended = runLeaderElection({
      client,
      clock,
      random,
      signal: stop.signal,
      lease,
      identity,
      onStartedLeading,
      onNewLeader,
    });
    t.after(async () => {
      stop.abort();
      await clock.advance(20_000);
      await ended;
    });
    return { stop, ended, seen };
  };
  return { server, clock, leading, candidate };
}

test('the first one leads, and renews', async (t) => {
  const { server, clock, leading, candidate } = stage(t);
  candidate('a');
  const other = candidate('bb');
  await clock.advance(60_000);
  assert.deepEqual([...leading], ['a']);
  const { spec } = server.objects(leases)[0]!;
  assert.deepEqual([spec.holderIdentity, spec.leaseDurationSeconds, spec.leaseTransitions], ['a', 15, 0]);
  assert.ok(spec.renewTime > spec.acquireTime);
  assert.deepEqual(other.seen, ['a']);
});

test('a leader that is told to stop hands over at once', async (t) => {
  const { server, clock, leading, candidate } = stage(t);
  const first = candidate('a');
  candidate('bb');
  await clock.advance(5_000);
  first.stop.abort();
  await first.ended;
  assert.equal(server.objects(leases)[0]?.spec.holderIdentity, '');
  await clock.advance(5_000);
  assert.deepEqual([...leading], ['bb']);
  assert.equal(server.objects(leases)[0]?.spec.leaseTransitions, 1);
});

test('a leader that cannot reach the server steps down before another may lead', async (t) => {
  const { server, clock, leading, candidate } = stage(t);
  let away = false;
  const client = server.client();
  const failing = new Proxy(client, {
    get:
      (target, name: keyof typeof client) =>
      (...call: never[]) => {
        if (away) throw StatusError.serviceUnavailable('away');
        return (target[name] as (...call: never[]) => unknown)(...call);
      },
  });
  const first = candidate('a', failing);
  await clock.advance(5_000);
  candidate('bb');
  await clock.advance(5_000);
  away = true;
  await clock.advance(11_900);
  assert.deepEqual([...leading], []);
  await first.ended;
  await clock.advance(10_000);
  assert.deepEqual([...leading], ['bb']);
});

test('a server that hangs makes the leader step down in time', async (t) => {
  const { server, clock, leading, candidate } = stage(t);
  candidate('a');
  await clock.advance(5_000);
  server.before = () => new Promise(() => {});
  await clock.advance(12_100);
  assert.deepEqual([...leading], []);
});

test('a leader whose lease was taken away stops', async (t) => {
  const { server, clock, leading, candidate } = stage(t);
  candidate('a');
  await clock.advance(5_000);
  server.put(leases, { metadata: lease, spec: { holderIdentity: 'thief', leaseDurationSeconds: 600 } });
  await clock.advance(2_500);
  assert.deepEqual([...leading], []);
});

test('durations that could make two leaders are refused', async () => {
  const { client, clock, random } = {
    client: new StubServer().client(),
    clock: new VirtualClock(),
    random: seededRandom(1),
  };
  const options = { client, clock, random, signal: AbortSignal.abort(), lease, identity: 'a', onStartedLeading() {} };
  await assert.rejects(
    runLeaderElection({ ...options, leaseDuration: 5_000 }),
    /leaseDuration 5000 must exceed renewDeadline 10000/,
  );
  await assert.rejects(runLeaderElection({ ...options, retryPeriod: 9_000 }), /must exceed retryPeriod/);
});
