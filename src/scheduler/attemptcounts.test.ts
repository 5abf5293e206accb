/** What the scheduler and the queues count, as somebody who scrapes them reads it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pods, priorityClasses } from '../api/index.ts';
import { parseExposition, valueOf } from '../machinery/testkit/exposition.ts';
import { asking, node, place, pod, reason, start } from './testkit/cluster.ts';

test('attempts, waiting pods and evictions are counted under upstream names', async () => {
  await using cluster = await start(node('a'));
  await cluster.client.create(priorityClasses, { metadata: { name: 'high' }, value: 100 });
  const told = (name: string, labels: Record<string, string> = {}) =>
    valueOf(parseExposition(cluster.metrics.text()), `scheduler_${name}`, labels);
  await cluster.client.create(pods, pod('first', { ...asking('3'), terminationGracePeriodSeconds: 0 }));
  await place(cluster, 'first');
  await cluster.client.create(pods, pod('second', asking('3')));
  await reason(cluster, 'second');
  const profile = 'default-scheduler';
  assert.equal(told('schedule_attempts_total', { result: 'scheduled', profile }), 1);
  assert.equal(told('scheduling_attempt_duration_seconds_count', { result: 'scheduled', profile }), 1);
  assert.equal(told('pod_scheduling_sli_duration_seconds_count', { attempts: '1' }), 1);
  assert.equal(told('schedule_attempts_total', { result: 'unschedulable', profile }), 1);
  assert.equal(told('pending_pods', { queue: 'unschedulable' }), 1);
  assert.equal(told('pending_pods', { queue: 'active' }), 0);
  assert.equal(told('unschedulable_pods', { plugin: 'NodeResourcesFit', profile }), 1);
  assert.equal(told('queue_incoming_pods_total', { queue: 'active', event: 'UnscheduledPodAdd' }), 2);
  assert.equal(told('queue_incoming_pods_total', { queue: 'unschedulable', event: 'ScheduleAttemptFailure' }), 1);
  assert.equal(told('preemption_victims_count'), 0);

  await cluster.client.create(pods, pod('third', { ...asking('3'), priorityClassName: 'high' }));
  await place(cluster, 'third');
  assert.equal(told('preemption_victims_sum'), 1);
  assert.equal(told('pod_scheduling_attempts_count'), 2);
  assert.ok(told('preemption_attempts_total')! >= 2);
});
