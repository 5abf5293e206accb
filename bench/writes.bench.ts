/** Durable creates a second of a ConfigMap of 2 KB: 64 connections over HTTPS, the server on one core. */
import { request } from './load/connection.ts';
import { report } from './report.ts';
import { compare, paces } from './server/index.ts';

const path = '/api/v1/namespaces/default/configmaps';
const filler = 'y'.repeat(1850);
let serial = 0;
const next = () => {
  const metadata = { name: `written-${serial++}`, labels: { app: 'bench' } };
  return request(
    'POST',
    path,
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text: filler } }),
  );
};

const result = await compare((target) => paces(target, { connections: 64, warm: 3, seconds: 4 }, next));
report({
  name: 'writes',
  what: 'durable creates of a 2 KB ConfigMap over HTTPS, 64 connections, the server on one core',
  unit: 'writes/s',
  ...result,
  goal: 'at least 3 times the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 3,
  moreIsBetter: true,
});
