/** Our scheduler and API server in this process, the store in memory; every binding, status and event is a write through the API. */
import { localClient } from '../../src/client/index.ts';
import { systemClock, systemRandom } from '../../src/machinery/index.ts';
import { runScheduler } from '../../src/scheduler/index.ts';
import { startCluster } from '../../src/testing/index.ts';
import type { Subject } from './measure.ts';

export async function ours(): Promise<Subject> {
  const cluster = await startCluster({ clock: systemClock, controllers: false, scheduler: false });
  // as `glass up` gives it to the scheduler
  const name = 'system:kube-scheduler';
  const client = localClient(cluster.apiserver.local({ name, groups: ['system:authenticated'] }, name), {
    share: true,
  });
  return {
    name: 'glasshouse',
    client: localClient(cluster.apiserver.local({ name: 'observer', groups: ['system:masters'] }, 'observer'), {
      share: true,
    }),
    async startScheduler() {
      const stop = new AbortController();
      const scheduler = runScheduler({ client, clock: systemClock, random: systemRandom, signal: stop.signal });
      await scheduler.started;
      return {
        stop() {
          stop.abort();
          return scheduler.ended;
        },
      };
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
