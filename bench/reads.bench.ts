/** Reads a second of one Pod of ten thousand: 64 connections over HTTPS, the server on one core. */
import { request } from './load/connection.ts';
import { makePods, podsPath } from './load/pod.ts';
import { report } from './report.ts';
import { compare, paces } from './server/index.ts';

const count = 10_000;

const result = await compare(async (target) => {
  await makePods(target, count);
  let serial = 0;
  const next = () => request('GET', `${podsPath}/pod-${(serial++ * 7919) % count}`);
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
