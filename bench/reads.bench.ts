/** Reads a second of one Pod of ten thousand: 64 connections over HTTPS, the server on one core. */
import { request, run } from './load/connection.ts';
import { pod } from './load/pod.ts';
import { report } from './report.ts';
import { compare, paces } from './server/index.ts';

const count = 10_000;
const pods = '/api/v1/namespaces/default/pods';

const result = await compare(async (target) => {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  const accounts = [request('POST', '/api/v1/namespaces/default/serviceaccounts', JSON.stringify(account))];
  await run(target, 1, () => accounts.pop());
  let made = 0;
  await run(target, 32, () => (made < count ? request('POST', pods, pod(`pod-${made++}`)) : undefined));
  let serial = 0;
  const next = () => request('GET', `${pods}/pod-${(serial++ * 7919) % count}`);
  return paces(target, { connections: 64, warm: 3, seconds: 4 }, next);
});
report({
  name: 'reads',
  what: 'reads of one Pod of 10,000 over HTTPS, 64 connections, the server on one core',
  unit: 'reads/s',
  ...result,
  goal: 'at least 3 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 3,
  moreIsBetter: true,
});
