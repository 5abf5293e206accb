/**
 * Memory of a server that holds the same objects as its peer: 10,000 Pods (or as many as `-- N` says) made, read, patched and listed once,
 * after a quiet half minute.
 */
import { request, run } from './load/connection.ts';
import { makePods, podsPath } from './load/pod.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const count = Number(process.argv.slice(2).find((one) => /^\d+$/.test(one)) ?? 10_000);
const quiet = 30_000;
const label = JSON.stringify({ metadata: { labels: { seen: 'yes' } } });

const result = await compare(async (target, server) => {
  await makePods(target, count);
  for (const of of [
    (i: number) => request('GET', `${podsPath}/pod-${i}`),
    (i: number) => request('PATCH', `${podsPath}/pod-${i}`, label, 'application/merge-patch+json'),
  ]) {
    let next = 0;
    await run(target, 32, () => (next < count ? of(next++) : undefined));
  }
  const lists = [request('GET', `${podsPath}?resourceVersion=0`)];
  await run(target, 1, () => lists.pop());
  await new Promise((resolve) => setTimeout(resolve, quiet));
  return { figures: [server.memory() / 1e6] };
});
report({
  name: 'memory',
  what: `resident memory of a server that holds ${count.toLocaleString('en')} Pods, each made, read, patched and listed once`,
  unit: 'MB',
  ...result,
  also: [],
  goal: 'a quarter of the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 4,
});
