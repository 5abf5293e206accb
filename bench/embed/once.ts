import { configMaps } from '../../src/api/index.ts';
import { startCluster } from '../../src/testing/index.ts';

const started = performance.now();
const cluster = await startCluster();
await cluster.client.create(configMaps, { metadata: { name: 'first', namespace: 'default' }, data: { a: 'b' } });
process.stdout.write(String(performance.now() - started));
await cluster[Symbol.asyncDispose]();
