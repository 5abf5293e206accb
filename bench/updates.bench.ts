/** Durable updates a second of ConfigMaps of 2 KB: 64 connections over HTTPS, the server on one core. */
import { request, run } from './load/connection.ts';
import { report } from './report.ts';
import { compare, paces } from './server/index.ts';

const path = '/api/v1/namespaces/default/configmaps';
const filler = 'y'.repeat(1850);
const objects = 500;
let serial = 0;
const body = (n: number) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `kept-${n}`, labels: { app: 'bench' } },
    data: { text: filler, serial: `${serial++}` },
  });
const next = () => {
  const n = serial % objects;
  return request('PUT', `${path}/kept-${n}`, body(n));
};

const result = await compare(async (target) => {
  let made = 0;
  await run(target, 16, () => (made < objects ? request('POST', path, body(made++)) : undefined));
  return paces(target, { connections: 64, warm: 3, seconds: 4 }, next);
});
report({
  name: 'updates',
  what: 'durable updates of a 2 KB ConfigMap, one of 500, over HTTPS, 64 connections, the server on one core',
  unit: 'writes/s',
  ...result,
  goal: 'at least 3 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 3,
  moreIsBetter: true,
});
