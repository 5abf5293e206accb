import { after, test } from 'node:test';
import { systemClock as clock } from '../../machinery/index.ts';
import { storeSuite } from '../store.suite.ts';
import { type EtcdCluster, startEtcd, withoutEtcd } from '../testkit/etcd.ts';
import { openEtcdStore } from './index.ts';

const reason = withoutEtcd();
/** What the suite's largest transactions and values need. */
const flags = ['--max-txn-ops', '10000', '--max-request-bytes', String(16 << 20)];

if (reason !== undefined) test('etcd: a store', (t) => t.skip(reason));
else {
  const started = new Set<EtcdCluster>();
  /** Every test wants one that is new; the next one starts while this one is used. */
  let next = startEtcd({ flags });
  after(async () => {
    started.add(await next);
    await Promise.all([...started].map((cluster) => cluster.stop()));
  });
  const open = async () => {
    const cluster = await next;
    next = startEtcd({ flags });
    started.add(cluster);
    const store = await openEtcdStore({ endpoints: cluster.endpoints, ordered: true, clock });
    const { close } = store;
    store.close = async () => {
      await close.call(store);
      started.delete(cluster);
      await cluster.stop();
    };
    return store;
  };
  storeSuite('etcd', open, 12);
}
