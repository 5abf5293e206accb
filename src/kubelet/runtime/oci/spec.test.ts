import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readInRoot, resolveInRoot } from '../rootpath.ts';
import { containerConfig, sandboxConfig } from '../testkit/fixture.ts';
import { resolveUser } from '../user.ts';
import { availableCapabilities, capabilitiesFor } from './capabilities.ts';
import { defaultProfile } from './seccomp.ts';
import { type SpecInput, ociSpec } from './spec.ts';

const all = availableCapabilities('CapBnd:\t000001ffffffffff\n');
const input = (more: Partial<SpecInput> = {}): SpecInput => ({
  sandbox: sandboxConfig(),
  container: containerConfig('/d', ['prog', 'arg']),
  rootfs: '/root',
  user: { uid: 0, gid: 0, additionalGids: [], home: '/' },
  capabilities: [],
  seccomp: undefined,
  cgroupsPath: '/g',
  resources: {},
  limitSwap: false,
  minimumOomScoreAdj: -1000,
  maximumOpenFiles: 1024,
  namespaces: [],
  podMounts: [],
  devices: [],
  workingDir: '/',
  env: [],
  ...more,
});
const mounts = (spec: Record<string, unknown>) =>
  (spec['mounts'] as { destination: string; options: string[] }[]).map(({ destination }) => destination);

describe('the OCI specification of a container', () => {
  it('mounts an outer volume before an inner one, whatever their order', () => {
    const mount = (containerPath: string) => ({ hostPath: '/h', containerPath, readOnly: false });
    const container = containerConfig('/d', ['x'], { mounts: [mount('/a/b'), mount('/a')] });
    assert.deepEqual(mounts(ociSpec(input({ container }))).slice(-2), ['/a', '/a/b']);
  });

  it('leaves a place to a volume that takes it', () => {
    const container = containerConfig('/d', ['x'], {
      mounts: [{ hostPath: '/h', containerPath: '/etc/hosts', readOnly: true }],
    });
    const podMounts = [{ hostPath: '/p', containerPath: '/etc/hosts', readOnly: false }];
    assert.equal(mounts(ociSpec(input({ container, podMounts }))).filter((path) => path === '/etc/hosts').length, 1);
  });

  it('masks what tells of the machine, unless it is privileged', () => {
    const masked = (security: object) =>
      (ociSpec(input({ container: containerConfig('/d', ['x'], { security }) }))['linux'] as { maskedPaths: string[] })
        .maskedPaths;
    assert.ok(masked({}).includes('/proc/kcore'));
    assert.deepEqual(masked({ privileged: true }), []);
  });

  it('raises an oom score that this process may not give', () => {
    const spec = ociSpec(input({ resources: { oomScoreAdj: -997 }, minimumOomScoreAdj: 0 }));
    assert.equal((spec['process'] as { oomScoreAdj: number }).oomScoreAdj, 0);
  });
});

describe('capabilities', () => {
  const table: [what: string, security: Parameters<typeof capabilitiesFor>[0], has: string[], lacks: string[]][] = [
    ['a few by default', {}, ['CAP_CHOWN', 'CAP_KILL'], ['CAP_SYS_ADMIN', 'CAP_NET_ADMIN']],
    ['none when all are dropped', { capabilities: { add: [], drop: ['ALL'] } }, [], ['CAP_CHOWN']],
    [
      'those added to none',
      { capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] } },
      ['CAP_NET_BIND_SERVICE'],
      ['CAP_CHOWN'],
    ],
    [
      'all but the dropped ones',
      { capabilities: { add: ['ALL'], drop: ['CAP_SYS_ADMIN'] } },
      ['CAP_BPF'],
      ['CAP_SYS_ADMIN'],
    ],
    ['all when privileged', { privileged: true }, ['CAP_SYS_ADMIN'], []],
  ];
  for (const [what, security, has, lacks] of table)
    it(`are ${what}`, () => {
      const given = capabilitiesFor(security, all);
      assert.deepEqual(
        has.filter((name) => !given.includes(name)),
        [],
      );
      assert.deepEqual(
        lacks.filter((name) => given.includes(name)),
        [],
      );
    });
  it('are never more than this process has', () =>
    assert.deepEqual(capabilitiesFor({ privileged: true }, new Set(['CAP_KILL'])), ['CAP_KILL']));
});

describe('the default seccomp profile', () => {
  const allowed = (capabilities: string[], call: string) =>
    defaultProfile(capabilities).syscalls.some(
      ({ names, action, args }) => action === 'SCMP_ACT_ALLOW' && !args && names.includes(call),
    );
  it('lets programs work', () =>
    assert.ok(['openat', 'execve', 'futex', 'epoll_wait'].every((call) => allowed([], call))));
  it('keeps them from the host', () =>
    assert.ok(
      !['mount', 'kexec_load', 'init_module', 'bpf', 'keyctl', 'unshare', 'clone3'].some((call) => allowed([], call)),
    ));
  it('opens with a capability what the capability is for', () =>
    assert.ok(allowed(['CAP_SYS_ADMIN'], 'mount') && allowed(['CAP_SYS_ADMIN'], 'clone3')));
  it('names no call twice', () => {
    const names = defaultProfile([]).syscalls.flatMap((rule) => rule.names);
    const twice = names.filter((name, index) => names.indexOf(name) !== index);
    assert.deepEqual([...new Set(twice)], []);
  });
});

describe('a root filesystem read from outside', () => {
  it('does not lead out by its links', async () => {
    const root = await mkdtemp(join(tmpdir(), 'root-'));
    try {
      await mkdir(join(root, 'etc'));
      await symlink('/etc/shadow', join(root, 'etc/passwd'));
      await symlink('../../../../..', join(root, 'up'));
      await symlink('loop', join(root, 'loop'));
      assert.equal(await resolveInRoot(root, '/etc/passwd'), join(root, 'etc/shadow'));
      assert.equal(await resolveInRoot(root, '/up/etc/group'), join(root, 'etc/group'));
      assert.equal(await resolveInRoot(root, '/a/../../../b'), join(root, 'b'));
      await assert.rejects(resolveInRoot(root, '/loop'), /too many symbolic links/);
      assert.equal(await readInRoot(root, '/etc/passwd'), '');
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('tells who a container runs as', async () => {
    const root = await mkdtemp(join(tmpdir(), 'root-'));
    try {
      await mkdir(join(root, 'etc'));
      await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n');
      await writeFile(join(root, 'etc/group'), 'web:x:34:\nmore:x:50:web\n');
      assert.deepEqual(await resolveUser(root, {}, ''), { uid: 0, gid: 0, additionalGids: [], home: '/root' });
      assert.deepEqual(await resolveUser(root, {}, 'web'), { uid: 33, gid: 34, additionalGids: [50], home: '/srv' });
      assert.deepEqual(await resolveUser(root, {}, '1234:more'), { uid: 1234, gid: 50, additionalGids: [], home: '/' });
      const wish = { runAsUser: 33, runAsGroup: 7, supplementalGroups: [8, 7] };
      assert.deepEqual(await resolveUser(root, wish, 'root'), {
        uid: 33,
        gid: 7,
        additionalGids: [8, 50],
        home: '/srv',
      });
      await assert.rejects(resolveUser(root, {}, 'nobody-here'), /nobody-here.*numeric id/);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
