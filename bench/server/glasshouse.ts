/** The API server alone, on an embedded store in the folder it is given; tells where it listens, serves until its input ends. */
import { generateKeyPairSync } from 'node:crypto';
import { createApiserver } from '../../src/apiserver/index.ts';
import { giveMemoryBackAtRest } from '../../src/cmd/memory.ts';
import { systemClock, systemRandom } from '../../src/machinery/index.ts';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { credentials } from './credentials.ts';

const [folder = ''] = process.argv.slice(2);
const { authority, server, admin } = credentials();
const store = await openEmbeddedStore({ directory: folder });
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const apiserver = await createApiserver({
  store,
  clock: systemClock,
  random: systemRandom,
  signer: { key: key.toString(), issuer: 'https://kubernetes.default.svc' },
  serviceCIDR: '10.96.0.0/16',
  nodePorts: { from: 30000, to: 32767 },
  failed: (error) => process.stderr.write(`${error}\n`),
});
const { port } = await apiserver.listen({
  certificate: server.certificate,
  key: server.key,
  clientAuthority: authority.certificate,
  host: '127.0.0.1',
  port: 0,
});
process.stdout.write(
  `${JSON.stringify({ port, authority: authority.certificate, certificate: admin.certificate, key: admin.key })}\n`,
);
giveMemoryBackAtRest();
process.stdin.resume();
process.stdin.on('end', () => {
  void apiserver
    .close()
    .then(() => store.close())
    .then(() => process.exit(0));
});
