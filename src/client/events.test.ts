import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events } from '../api/index.ts';
import { seededRandom, StatusError } from '../machinery/index.ts';
import { eventRecorder } from './events.ts';
import { settle, VirtualClock } from './testkit/clock.ts';
import { StubServer } from './testkit/server.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u1', resourceVersion: '7' },
};

function recorderOn(server = new StubServer()) {
  const clock = new VirtualClock();
  const recorder = eventRecorder({
    client: server.client(),
    clock,
    random: seededRandom(1),
    component: 'tester',
    host: 'n1',
  });
  return { server, clock, recorder };
}

test('an event says who, what, about whom and when', async () => {
  const { server, recorder } = recorderOn();
  recorder.event(pod, 'Warning', 'Failed', 'it failed');
  await recorder.flush();
  const [event] = server.objects(events);
  assert.match(event!.metadata.name!, /^p\.[0-9a-f]+$/);
  assert.equal(event!.metadata.namespace, 'ns');
  assert.deepEqual(event!.involvedObject, {
    apiVersion: 'v1',
    kind: 'Pod',
    name: 'p',
    namespace: 'ns',
    uid: 'u1',
    resourceVersion: '7',
  });
  assert.deepEqual([event!.type, event!.reason, event!.message, event!.count], ['Warning', 'Failed', 'it failed', 1]);
  assert.deepEqual(event!.source, { component: 'tester', host: 'n1' });
  assert.equal(event!.firstTimestamp, '2023-11-14T22:13:20Z');
});

test('the same event again is counted on the first', async () => {
  const { server, clock, recorder } = recorderOn();
  for (let i = 0; i < 3; i++) {
    recorder.event(pod, 'Normal', 'Pulled', 'image pulled');
    await clock.advance(1_000);
  }
  const all = server.objects(events);
  assert.deepEqual(
    all.map((event) => [event.count, event.lastTimestamp]),
    [[3, '2023-11-14T22:13:22Z']],
  );
});

test('many of a kind that differ only by their message share one Event after the tenth', async () => {
  const { server, recorder } = recorderOn();
  for (let i = 0; i < 20; i++) recorder.event(pod, 'Normal', 'Odd', `message ${i}`);
  await recorder.flush();
  const all = server.objects(events);
  assert.equal(all.length, 11);
  assert.match(all.at(-1)!.message, /^\(combined from similar events\): message 19$/);
  assert.equal(all.at(-1)!.count, 10);
});

test('a flood about one object is cut, and trickles on later', async () => {
  const { server, clock, recorder } = recorderOn();
  for (let i = 0; i < 100; i++) recorder.event(pod, 'Normal', `Reason${i}`, 'again');
  await recorder.flush();
  assert.equal(server.objects(events).length, 25);
  await clock.advance(300_000);
  recorder.event(pod, 'Normal', 'Later', 'once more');
  recorder.event(pod, 'Normal', 'Later2', 'too much');
  await recorder.flush();
  assert.equal(server.objects(events).length, 26);
});

test('an Event that the server let go of is made anew', async () => {
  const { server, recorder } = recorderOn();
  recorder.event(pod, 'Normal', 'Pulled', 'image pulled');
  await recorder.flush();
  server.remove(events, { namespace: 'ns', name: server.objects(events)[0]!.metadata.name! });
  recorder.event(pod, 'Normal', 'Pulled', 'image pulled');
  await recorder.flush();
  assert.equal(server.objects(events)[0]?.count, 2);
});

test('a server that is away is tried again; a refusal is final; the caller notices nothing', async () => {
  const { server, clock, recorder } = recorderOn();
  let failures = 2;
  server.before = (verb) => {
    if (verb === 'create' && failures-- > 0) throw StatusError.serviceUnavailable('away');
  };
  recorder.event(pod, 'Normal', 'A', 'retried');
  await clock.advance(30_000);
  assert.equal(server.objects(events).length, 1);
  server.before = () => {
    throw StatusError.forbidden(events, 'x', 'no');
  };
  recorder.event(pod, 'Normal', 'B', 'refused');
  recorder.event(undefined as never, 'Normal', 'C', 'nonsense');
  await settle();
  server.before = () => {};
  recorder.event(pod, 'Normal', 'D', 'fine');
  await recorder.flush();
  assert.deepEqual(
    server.objects(events).map((event) => event.reason),
    ['A', 'D'],
  );
});

test("a cluster-scoped object's events are in the default namespace", async () => {
  const { server, recorder } = recorderOn();
  recorder.event({ kind: 'Node', name: 'n1', uid: 'n1' }, 'Normal', 'NodeReady', 'ready');
  await recorder.flush();
  assert.equal(server.objects(events)[0]?.metadata.namespace, 'default');
});
