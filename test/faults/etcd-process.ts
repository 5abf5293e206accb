/**
 * One of several API servers over one etcd, with a candidate for the leadership beside it: writes objects as fast as they are acknowledged
 * until it is killed. Run by etcd.test.ts with the members' addresses and a name of its own; each line on stdout is one fact:
 * `ready`, `ack NAME`, `count N` (what an agreed counter was raised to), `leading`, `following`.
 */
import { writeSync } from 'node:fs';
import { configMaps } from '../../src/api/index.ts';
import { localClient, runLeaderElection } from '../../src/client/index.ts';
import { isStatusError, systemClock as clock, systemRandom as random } from '../../src/machinery/index.ts';
import { apiserverOver } from './etcd-apiserver.ts';

const [endpoints = '', name = ''] = process.argv.slice(2);
const { apiserver } = await apiserverOver(endpoints.split(','));
const client = localClient(apiserver.local({ name, groups: ['system:masters', 'system:authenticated'] }, name));
const say = (line: string) => writeSync(1, `${line}\n`);
const namespace = 'default';
say('ready');

let number = 0;
await Promise.all([...Array.from({ length: 3 }, create), count(), compete()]);

async function create(): Promise<never> {
  for (;;) {
    const object = `${name}-${number++}`;
    if (await tried(() => client.create(configMaps, { metadata: { name: object, namespace } }))) say(`ack ${object}`);
    await clock.sleep(5);
  }
}

/** Whoever raises the counter read what it raised: no two raise it to the same number. */
async function count(): Promise<never> {
  for (;;) {
    let next = 0;
    const raised = await tried(async () => {
      const found = await client.get(configMaps, { name: 'counter', namespace });
      next = Number(found.data!.count) + 1;
      await client.update(configMaps, { ...found, data: { count: String(next) } });
    });
    if (raised) say(`count ${next}`);
    await clock.sleep(5);
  }
}

/** Whether it was acknowledged. What was refused, and what may or may not have happened, does not count. */
async function tried(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (isStatusError(error, 'Conflict', 'Timeout', 'ServiceUnavailable')) return false;
    throw error;
  }
}

async function compete(): Promise<never> {
  const signal = new AbortController().signal;
  const lease = { namespace: 'kube-system', name: 'faults' };
  for (;;) {
    await runLeaderElection({
      client,
      clock,
      random,
      signal,
      lease,
      identity: name,
      leaseDuration: 3_000,
      renewDeadline: 2_000,
      retryPeriod: 300,
      onStartedLeading: async (term) => {
        say('leading');
        await new Promise((resolve) => term.addEventListener('abort', resolve, { once: true }));
        say('following');
      },
    });
  }
}
