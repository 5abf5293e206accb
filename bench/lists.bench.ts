/** Whole lists of 10,000 Pods (or as many as `-- N` says) as JSON a second: four connections over HTTPS, the server on one core. */
import { request } from './load/connection.ts';
import { makePods, podsPath } from './load/pod.ts';
import { report } from './report.ts';
import { compare, paces } from './server/index.ts';

const count = Number(process.argv.slice(2).find((one) => /^\d+$/.test(one)) ?? 10_000);
/** The larger the list, the longer it takes to see some. */
const seconds = Math.max(5, count / 5000);

const result = await compare(async (target) => {
  await makePods(target, count);
  // revision 0: whatever the server has at hand, the cheapest that it offers
  const list = request('GET', `${podsPath}?resourceVersion=0`);
  return paces(target, { connections: 4, warm: seconds / 2, seconds }, () => list);
});
report({
  name: 'lists',
  what: `lists of ${count.toLocaleString('en')} Pods as JSON over HTTPS, 4 connections, the server on one core`,
  unit: 'lists/s',
  ...result,
  goal: 'at least 5 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 5,
  moreIsBetter: true,
});
