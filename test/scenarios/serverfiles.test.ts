/** What `glass up` does with the files of kube-apiserver's flags. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { secrets } from '../../src/api/index.ts';
import { httpsClient, loadKubeconfig } from '../../src/client/index.ts';
import { systemClock as clock } from '../../src/machinery/index.ts';
import { startGlass } from '../testkit/glass.ts';

test('an audit log and encrypted secrets, as the files say; wrong files are refused with what is wrong', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glass-files-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, object: unknown) => {
    writeFileSync(join(directory, name), JSON.stringify(object));
    return join(directory, name);
  };
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy' };
  const rules = [{ level: 'Metadata', resources: [{ resources: ['secrets'] }] }];
  const encryption = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      {
        resources: ['secrets'],
        providers: [{ aesgcm: { keys: [{ name: 'k', secret: Buffer.alloc(32, 7).toString('base64') }] } }],
      },
    ],
  };
  const log = join(directory, 'audit.log');
  const args = ['--audit-policy-file', file('policy.json', { ...policy, rules }), '--audit-log-path', log];
  args.push('--encryption-provider-config', file('encryption.json', encryption));
  {
    await using glass = await startGlass({ runtime: 'sim', args });
    const client = httpsClient({ ...loadKubeconfig(glass.kubeconfig), clock });
    await client.create(secrets, {
      metadata: { name: 's', namespace: 'default' },
      stringData: { password: 'correct-horse' },
    });
    assert.equal((await client.get(secrets, { name: 's', namespace: 'default' })).metadata!.name, 's');
    await glass.kill('SIGTERM');
    const stored = readdirSync(join(glass.directory, 'store')).map((name) =>
      readFileSync(join(glass.directory, 'store', name), 'latin1'),
    );
    const clear = Buffer.from('correct-horse').toString('base64');
    assert.ok(!stored.some((text) => text.includes(clear)), 'the secret is on the disk as it is');
    assert.ok(stored.some((text) => text.includes('k8s:enc:aesgcm:v1:k:')));
    await glass.again();
    assert.equal(
      Buffer.from(
        (
          await httpsClient({ ...loadKubeconfig(glass.kubeconfig), clock }).get(secrets, {
            name: 's',
            namespace: 'default',
          })
        ).data!.password!,
        'base64',
      ).toString(),
      'correct-horse',
    );
  }
  const events = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const created = events.find(({ verb, stage }) => verb === 'create' && stage === 'ResponseComplete');
  assert.equal(created.responseStatus.code, 201);
  assert.ok(!JSON.stringify(events).includes('correct-horse'));
  const wrong = [
    '--audit-policy-file',
    file('wrong.json', { ...policy, rules: [{ level: 'Everything' }] }),
    '--audit-log-path',
    log,
  ];
  await assert.rejects(
    startGlass({ runtime: 'sim', args: wrong }),
    /wrong\.json: rules\[0\]\.level: "Everything" is not one of/,
  );
});
