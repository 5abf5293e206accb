/** Whole lists of 10,000 Pods as JSON a second: four connections over HTTPS, the server on one core. */
import { rate, request, run } from './load/connection.ts';
import { pod } from './load/pod.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const count = 10_000;
const pods = '/api/v1/namespaces/default/pods';

const result = await compare(async (target) => {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  const accounts = [request('POST', '/api/v1/namespaces/default/serviceaccounts', JSON.stringify(account))];
  await run(target, 1, () => accounts.pop());
  let made = 0;
  await run(target, 32, () => (made < count ? request('POST', pods, pod(`pod-${made++}`)) : undefined));
  // revision 0: whatever the server has at hand, the cheapest that it offers
  const list = request('GET', `${pods}?resourceVersion=0`);
  const figures: number[] = [];
  for (let i = 0; i < 3; i++)
    figures.push(await rate(target, { connections: 4, warm: i === 0 ? 2 : 0.5, seconds: 5 }, () => list));
  return figures;
});
report({
  name: 'lists',
  what: 'lists of 10,000 Pods as JSON over HTTPS, 4 connections, the server on one core',
  unit: 'lists/s',
  ...result,
  goal: 'at least 5 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 5,
  moreIsBetter: true,
});
