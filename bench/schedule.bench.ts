/**
 * Pods a second from waiting to bound, on 5,000 nodes: the cases of upstream's scheduler_perf, beside kube-scheduler if it, kube-apiserver and etcd
 * are on the PATH. `-- CASE` runs one of them.
 */
import { report } from './report.ts';
import { cases, nodeCount } from './schedule/cases.ts';
import { measure } from './schedule/measure.ts';
import { ours } from './schedule/ours.ts';
import { peer, schedulerIsHere } from './schedule/peer.ts';

const [only] = process.argv.slice(2).filter((one) => !one.startsWith('--'));
for (const [name, one] of Object.entries(cases)) {
  if (only !== undefined && only !== name) continue;
  const figures: number[] = [];
  const of = async (start: typeof ours) => {
    await using subject = await start();
    return { name: subject.name, figures: [await measure(subject, one)] };
  };
  for (let run = 0; run < 3; run++) figures.push(...(await of(ours)).figures);
  const beside = schedulerIsHere() && !process.argv.includes('--no-peer') ? await of(peer) : undefined;
  report({
    name: `schedule ${name}`,
    what: `${one.measured} pods on ${nodeCount} nodes (${name}), with ${one.before} pods there before`,
    unit: 'pods/s',
    figures,
    ...(beside && { peer: beside }),
    goal:
      name === 'basic'
        ? 'above 8,000 pods/s, and at least 10 times kube-scheduler'
        : 'at least 10 times kube-scheduler',
    met: (median, ratio) => (name !== 'basic' || median > 8000) && ratio !== undefined && ratio >= 10,
    moreIsBetter: true,
  });
}
