import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inClusterConfig, loadKubeconfig, parseKubeconfig } from './kubeconfig.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const config = `
apiVersion: v1
kind: Config
current-context: one
contexts:
- name: one
  context: { cluster: here, user: me, namespace: mine }
- name: two
  context: { cluster: there, user: robot }
clusters:
- name: here
  cluster: { server: "https://127.0.0.1:6443", certificate-authority-data: ${base64('the ca')} }
- name: there
  cluster: { server: "https://far:6443", insecure-skip-tls-verify: true, tls-server-name: near, certificate-authority: pki/ca.crt }
users:
- name: me
  user: { client-certificate-data: ${base64('cert')}, client-key-data: ${base64('key')} }
- name: robot
  user: { tokenFile: token }
`;

test('the current context: server, authority, certificate, namespace', () => {
  const { server, ca, cert, key, namespace, context } = parseKubeconfig(config);
  assert.deepEqual(
    [server, String(ca), String(cert), String(key)],
    ['https://127.0.0.1:6443', 'the ca', 'cert', 'key'],
  );
  assert.deepEqual([namespace, context], ['mine', 'one']);
});

test('a named context, with files beside the kubeconfig and a token that is read anew', () => {
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-kubeconfig-'));
  try {
    mkdirSync(join(directory, 'pki'));
    writeFileSync(join(directory, 'pki/ca.crt'), 'file ca');
    writeFileSync(join(directory, 'token'), 'first\n');
    writeFileSync(join(directory, 'config'), config);
    const found = loadKubeconfig(join(directory, 'config'), 'two');
    assert.deepEqual([String(found.ca), found.tlsServerName, found.insecureSkipTlsVerify], ['file ca', 'near', true]);
    assert.equal(found.namespace, 'default');
    assert.equal(found.tokenProvider?.(), 'first');
    writeFileSync(join(directory, 'token'), 'second');
    assert.equal(found.tokenProvider?.(), 'second');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const wrong: [name: string, text: string, want: RegExp][] = [
  ['no YAML', 'a: [', /is not YAML/],
  ['not an object', '- a', /is not a Config/],
  ['another kind', 'kind: Pod', /is a Pod, not a Config/],
  ['no current context', config.replace(/current-context.*/, ''), /has no current-context: name a context/],
  [
    'an unknown context',
    config.replace('current-context: one', 'current-context: no'),
    /has no context "no"; there is: one, two/,
  ],
  [
    'an unknown cluster',
    config.replace('cluster: here,', 'cluster: away,'),
    /has no cluster "away"; there is: here, there/,
  ],
  [
    'a program',
    config.replace(/user: { client-cert.*/, 'user: { exec: { command: aws } }'),
    /by exec \(aws\), which is not supported: use a token/,
  ],
  [
    'a missing file',
    config.replace('current-context: one', 'current-context: two'),
    /certificate-authority .*ca.crt cannot be read/,
  ],
];

for (const [name, text, want] of wrong) {
  test(`a kubeconfig with ${name} is refused with what to do`, () => {
    assert.throws(() => parseKubeconfig(text, { name: 'config', directory: '/nowhere' }), want);
  });
}

test('a file that is not there is named', () => {
  assert.throws(() => loadKubeconfig('/nowhere/config'), /kubeconfig \/nowhere\/config: cannot be read/);
});

test('inside a Pod the service account is used; elsewhere there is nothing', () => {
  assert.equal(inClusterConfig({}), undefined);
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-account-'));
  try {
    for (const [file, text] of [
      ['ca.crt', 'ca'],
      ['token', 't'],
      ['namespace', 'ns\n'],
    ] as const)
      writeFileSync(join(directory, file), text);
    const found = inClusterConfig({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, directory);
    assert.deepEqual([found?.server, found?.namespace, found?.tokenProvider?.()], ['https://[fd00::1]:443', 'ns', 't']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
