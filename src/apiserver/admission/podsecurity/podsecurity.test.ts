import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { defaultAccount, type Door, openDoor, pod } from '../../testkit/index.ts';
import { policyOf } from './policy.ts';
import { faultsOf } from './standards.ts';

const pods = '/api/v1/namespaces/default/pods';
const label = 'pod-security.kubernetes.io/';

const hardened = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'c',
      image: 'i',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
};
const one = (securityContext: object) => ({ containers: [{ name: 'c', image: 'i', securityContext }] });

describe('pod security standards', () => {
  let door: Door;
  before(async () => {
    door = await openDoor();
    await defaultAccount(door);
  });
  after(() => door[Symbol.asyncDispose]());

  const labelled = (labels: Record<string, string | null>) =>
    door.ask('PATCH', '/api/v1/namespaces/default', {
      body: {
        metadata: { labels: Object.fromEntries(Object.entries(labels).map(([name, value]) => [label + name, value])) },
      },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  const warnings = (headers: Record<string, unknown>) =>
    [headers.warning ?? []].flat().map((text) => String(text).replaceAll('\\"', '"'));

  test('what a namespace enforces refuses a pod, with every reason', async () => {
    await labelled({ enforce: 'restricted' });
    const { status, body } = await door.ask('POST', pods, { body: pod('p', one({ privileged: true })) });
    assert.equal(status, 403);
    assert.equal(
      body.message,
      'pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged (container "c" must not set securityContext.privileged=true), allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
    const kept = await door.ask('POST', pods, { body: pod('kept', hardened) });
    assert.equal(kept.status, 201, kept.text);
    await labelled({ enforce: null });
    assert.equal((await door.ask('POST', pods, { body: pod('p', one({ privileged: true })) })).status, 201);
  });

  test('a namespace that becomes stricter warns of the pods that are there', async () => {
    await door.ask('POST', pods, { body: pod('plain') });
    const { headers, status } = await labelled({ enforce: 'baseline' });
    assert.equal(status, 200);
    assert.match(
      warnings(headers).join(),
      /existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest".*p: privileged/,
    );
    await labelled({ enforce: null });
  });

  test('a workload is warned of, not refused', async () => {
    await labelled({ warn: 'baseline' });
    const made = await door.ask('POST', '/apis/apps/v1/namespaces/default/deployments', {
      body: {
        metadata: { name: 'd' },
        spec: {
          selector: { matchLabels: { a: 'b' } },
          template: {
            metadata: { labels: { a: 'b' } },
            spec: { hostNetwork: true, containers: [{ name: 'c', image: 'i' }] },
          },
        },
      },
    });
    assert.equal(made.status, 201, made.text);
    assert.match(
      warnings(made.headers).join(),
      /would violate PodSecurity "baseline:latest": host namespaces \(hostNetwork=true\)/,
    );
    await labelled({ warn: null });
  });

  test('labels that mean nothing are refused', async () => {
    const { status, body } = await labelled({ enforce: 'strict', 'warn-version': '1.2' });
    assert.equal(status, 422);
    assert.match(
      body.message,
      /metadata.labels\[pod-security.kubernetes.io\/enforce\]: Invalid value: "strict": must be one of/,
    );
    assert.match(body.message, /must be "latest" or "v1.x"/);
  });
});

test('each control, at each version that changed it', () => {
  const reasons = (level: 'baseline' | 'restricted', minor: number, spec: object, metadata: object = {}) =>
    faultsOf(level, minor, { metadata, spec: { containers: [{ name: 'c' }], ...spec } } as never).map(
      (fault) => fault.reason,
    );
  const latest = Number.POSITIVE_INFINITY;
  for (const [what, spec, expected, metadata] of [
    ['apparmor', { securityContext: { appArmorProfile: { type: 'Unconfined' } } }, ['forbidden AppArmor profile']],
    [
      'apparmor by annotation',
      {},
      ['forbidden AppArmor profile'],
      { annotations: { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' } },
    ],
    ['capabilities', one({ capabilities: { add: ['SYS_ADMIN', 'CHOWN'] } }), ['non-default capabilities']],
    ['host namespaces', { hostPID: true, hostIPC: true }, ['host namespaces']],
    ['host path', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, ['hostPath volumes']],
    ['host ports', { containers: [{ name: 'c', ports: [{ hostPort: 80 }] }] }, ['hostPort']],
    [
      'probe host',
      { containers: [{ name: 'c', livenessProbe: { httpGet: { host: '1.2.3.4' } } }] },
      ['probe or lifecycle host'],
    ],
    ['proc mount', one({ procMount: 'Unmasked' }), ['procMount']],
    ['proc mount of own users', { hostUsers: false, ...one({ procMount: 'Unmasked' }) }, []],
    ['selinux', { securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } } }, ['seLinuxOptions']],
    ['seccomp', { securityContext: { seccompProfile: { type: 'Unconfined' } } }, ['seccompProfile']],
    [
      'sysctls',
      { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }, { name: 'kernel.msgmax' }] } },
      ['forbidden sysctls'],
    ],
    ['windows', { securityContext: { windowsOptions: { hostProcess: true } } }, ['hostProcess']],
    ['init containers', { initContainers: [{ name: 'i', securityContext: { privileged: true } }] }, ['privileged']],
    [
      'ephemeral containers',
      { ephemeralContainers: [{ name: 'e', securityContext: { privileged: true } }] },
      ['privileged'],
    ],
  ] as [string, object, string[], object?][])
    assert.deepEqual(reasons('baseline', latest, spec, metadata), expected, what);
  assert.deepEqual(
    reasons('baseline', 26, { securityContext: { sysctls: [{ name: 'net.ipv4.ip_local_reserved_ports' }] } }),
    ['forbidden sysctls'],
  );
  assert.deepEqual(
    reasons('baseline', 33, { containers: [{ name: 'c', livenessProbe: { httpGet: { host: 'h' } } }] }),
    [],
  );
  assert.deepEqual(reasons('restricted', latest, hardened), []);
  assert.deepEqual(
    reasons('restricted', latest, {
      ...hardened,
      hostUsers: false,
      securityContext: { runAsUser: 0, seccompProfile: { type: 'Localhost' } },
    }),
    [],
  );
  assert.deepEqual(
    reasons('restricted', 34, {
      ...hardened,
      hostUsers: false,
      securityContext: { runAsUser: 0, seccompProfile: { type: 'Localhost' } },
    }),
    ['runAsNonRoot != true', 'runAsUser=0'],
  );
  assert.deepEqual(
    reasons('restricted', latest, {
      ...hardened,
      volumes: [
        { name: 'n', nfs: {} },
        { name: 'h', hostPath: {} },
      ],
    }),
    ['restricted volume types'],
  );
  assert.deepEqual(
    reasons('restricted', latest, { os: { name: 'windows' }, securityContext: { runAsNonRoot: true } }),
    [],
  );
});

test('who enforces is warned of the same', () => {
  const of = (labels: Record<string, string>) =>
    policyOf(Object.fromEntries(Object.entries(labels).map(([name, value]) => [label + name, value]))).policy;
  assert.deepEqual(of({ enforce: 'baseline', 'enforce-version': 'v1.30' }).warn, {
    level: 'baseline',
    version: 'v1.30',
  });
  assert.deepEqual(of({ enforce: 'baseline', warn: 'privileged' }).warn.level, 'privileged');
  assert.deepEqual(of({ enforce: 'nonsense' }), {
    enforce: { level: 'restricted', version: 'latest' },
    audit: { level: 'privileged', version: 'latest' },
    warn: { level: 'privileged', version: 'latest' },
  });
});
