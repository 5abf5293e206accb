import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  clusterRoleBindings,
  parseCertificateRequest,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { isStatusError } from '../../machinery/index.ts';
import { type Cluster, startCluster } from '../../testing/index.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'requests-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Base64 of PEM, made by a program that this project did not write; undefined: it is not there. */
function made(subject: string, ...more: string[]): string | undefined {
  const file = join(folder, 'request.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(folder, 'key.pem')];
  try {
    execFileSync('openssl', ['req', '-new', ...key, '-subj', subject, ...more, '-out', file], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return readFileSync(file).toString('base64');
}

const node = '/O=system:nodes/CN=system:node:n1';
const clientUsages = ['digital signature', 'client auth'];

function ask(client: Client, name: string, request: string, signerName: string, usages: string[], more: object = {}) {
  return client.create<CertificateSigningRequest>(certificateSigningRequests, {
    metadata: { name },
    spec: { request, signerName: `kubernetes.io/${signerName}`, usages, ...more },
  } as CertificateSigningRequest);
}

test('a verdict may be patched, with a note beside it', async (t) => {
  const request = made('/CN=joe');
  if (request === undefined) return t.skip('needs openssl on the PATH');
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const { client } = cluster;
  await ask(client, 'joe', request, 'kube-apiserver-client', clientUsages);
  const conditions = [{ type: 'Approved', status: 'True', reason: 'Known', message: 'by face' }];
  const body = { metadata: { annotations: { by: 'ann' } }, status: { conditions, certificate: 'Zm9yZ2Vk' } };
  const told = await client.patch<CertificateSigningRequest>(
    certificateSigningRequests,
    { name: 'joe' },
    { type: 'merge', body },
    { subresource: 'approval' },
  );
  assert.equal(told.metadata.annotations?.by, 'ann');
  assert.ok(condition(told, 'Approved')?.lastTransitionTime);
  assert.equal(told.status?.certificate, undefined);
});

const read = ({ client }: Cluster, name: string) =>
  client.get<CertificateSigningRequest>(certificateSigningRequests, { name });
const condition = (request: CertificateSigningRequest, type: string) =>
  request.status?.conditions?.find((one) => one.type === type);

function approve({ client }: Cluster, request: CertificateSigningRequest): Promise<CertificateSigningRequest> {
  const conditions = [{ type: 'Approved', status: 'True' as const, reason: 'Me', message: '' }];
  return client.update(
    certificateSigningRequests,
    { ...request, status: { ...request.status, conditions } },
    { subresource: 'approval' },
  );
}

test('what a request asks for is read from it', (t) => {
  const request = made(
    '/O=a/O=b/CN=name',
    '-addext',
    'subjectAltName=DNS:x.example,IP:10.0.0.1,IP:fd00::1,URI:spiffe://x',
  );
  if (request === undefined) return t.skip('no openssl');
  const parsed = parseCertificateRequest(request)!;
  const { commonName, organizations, dnsNames, ipAddresses, uris } = parsed;
  assert.deepEqual(
    { commonName, organizations, dnsNames, ipAddresses, uris },
    {
      commonName: 'name',
      organizations: ['a', 'b'],
      dnsNames: ['x.example'],
      ipAddresses: ['10.0.0.1', 'fd00:0:0:0:0:0:0:1'],
      uris: ['spiffe://x'],
    },
  );
  assert.equal(parseCertificateRequest(Buffer.from('nonsense').toString('base64')), undefined);
  assert.equal(parseCertificateRequest(request.slice(0, 200)), undefined);
});

test('a node that may ask gets its client certificate by itself, for as long as it asked', async (t) => {
  const request = made(node);
  if (request === undefined) return t.skip('no openssl');
  await using cluster = await startCluster({ scheduler: false });
  await cluster.client.create(clusterRoleBindings, {
    metadata: { name: 'join' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    },
    subjects: [{ kind: 'Group', name: 'system:bootstrappers', apiGroup: 'rbac.authorization.k8s.io' }],
  });
  await cluster.client.create(clusterRoleBindings, {
    metadata: { name: 'ask' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-bootstrapper' },
    subjects: [{ kind: 'Group', name: 'system:bootstrappers', apiGroup: 'rbac.authorization.k8s.io' }],
  });
  const joining = cluster.clientFor({ name: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] });
  const asked = await ask(joining, 'n', request, 'kube-apiserver-client-kubelet', clientUsages, {
    username: 'root',
    expirationSeconds: 3600,
  });
  assert.equal(asked.spec.username, 'system:bootstrap:abcdef');
  const issued = await cluster.eventually(async () => {
    const one = await read(cluster, 'n');
    return one.status?.certificate ? one : undefined;
  });
  assert.equal(condition(issued, 'Approved')?.reason, 'AutoApproved');
  const certificate = new X509Certificate(Buffer.from(issued.status!.certificate!, 'base64'));
  assert.match(certificate.subject, /O=system:nodes\nCN=system:node:n1/);
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  const lasts = Date.parse(certificate.validTo) - cluster.clock.now();
  assert.ok(lasts > 3500_000 && lasts <= 3600_000, `${lasts}`);
  await cluster.eventually(
    () =>
      read(cluster, 'n').then(
        () => false,
        (error) => isStatusError(error, 'NotFound'),
      ),
    { within: 2 * 3600_000 },
  );
});

test('what does not follow the rules of its signer fails, what nobody approved waits', async (t) => {
  const [client, serving] = [made('/CN=me'), made(node)];
  if (client === undefined || serving === undefined) return t.skip('no openssl');
  await using cluster = await startCluster({ scheduler: false });
  const waiting = await ask(cluster.client, 'waits', client, 'kube-apiserver-client', clientUsages);
  const bad = await ask(cluster.client, 'bad', serving, 'kubelet-serving', ['digital signature', 'server auth']);
  await approve(cluster, bad);
  const failed = await cluster.eventually(async () => condition(await read(cluster, 'bad'), 'Failed'));
  assert.equal(failed.message, 'DNS or IP subjectAltName is required');
  assert.equal((await read(cluster, 'waits')).status?.certificate, undefined);
  await approve(cluster, waiting);
  await cluster.eventually(async () => (await read(cluster, 'waits')).status?.certificate);
});

test('only who may approves and signs, and nobody becomes a master', async (t) => {
  const [request, master] = [made('/CN=me'), made('/O=system:masters/CN=me')];
  if (request === undefined || master === undefined) return t.skip('no openssl');
  await using cluster = await startCluster({ controllers: false, scheduler: false });
  const asked = await ask(cluster.client, 'a', request, 'kube-apiserver-client', clientUsages);
  await cluster.client.create(clusterRoleBindings, {
    metadata: { name: 'kubelets-only' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:controller:certificate-controller',
    },
    subjects: [{ kind: 'User', name: 'approver', apiGroup: 'rbac.authorization.k8s.io' }],
  });
  const other = cluster.clientFor({ name: 'approver' });
  const conditions = [{ type: 'Approved', status: 'True' as const, reason: 'Me', message: '' }];
  await assert.rejects(
    other.update(certificateSigningRequests, { ...asked, status: { conditions } }, { subresource: 'approval' }),
    { message: /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/ },
  );
  await assert.rejects(ask(cluster.client, 'm', master, 'kube-apiserver-client', clientUsages), {
    message: /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed/,
  });
});
