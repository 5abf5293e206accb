import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { detectCgroups, limitFiles, podCgroup, weightOf } from './cgroups.ts';
import { sandboxConfig } from './testkit/fixture.ts';

const line = (path: string, type: string, options: string) =>
  `30 20 0:5 / ${path} rw shared:3 - ${type} ${type} ${options}`;

describe('control groups', () => {
  it('are found in one tree (v2)', () => {
    const layout = detectCgroups(line('/sys/fs/cgroup', 'cgroup2', 'rw'));
    assert.equal(layout?.version, 2);
  });

  it('are found in a tree per controller (v1), some of them together', () => {
    const mounts = [
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
      line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
    ];
    const layout = detectCgroups(mounts.join('\n'));
    assert.equal(layout?.version, 1);
    assert.equal(layout?.trees.get('cpuacct'), '/sys/fs/cgroup/cpu,cpuacct');
  });

  it('are used as v1 where both are mounted (hybrid)', () => {
    const mounts = [
      line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
    ];
    assert.equal(detectCgroups(mounts.join('\n'))?.version, 1);
  });

  it('are missed where none are mounted', () => assert.equal(detectCgroups(line('/', 'ext4', 'rw')), undefined));

  const metadata = { namespace: 'n', name: 'p', uid: 'u', attempt: 0 };
  for (const [qosClass, path] of [
    ['Guaranteed', '/g/podu'],
    ['Burstable', '/g/burstable/podu'],
    ['BestEffort', '/g/besteffort/podu'],
  ] as const)
    it(`of a ${qosClass} pod lie at ${path}`, () =>
      assert.equal(podCgroup('/g', sandboxConfig({ qosClass, metadata })), path));

  it('take limits by the names that each version has for them', () => {
    const resources = { cpuShares: 1024, cpuQuota: 20_000, memoryLimit: 1 << 20, pidsLimit: 9 };
    assert.deepEqual(limitFiles(resources, 2), [
      ['cpu', 'cpu.weight', '39'],
      ['cpu', 'cpu.max', '20000 100000'],
      ['memory', 'memory.max', '1048576'],
      ['pids', 'pids.max', '9'],
    ]);
    assert.deepEqual(
      limitFiles(resources, 1).map(([, file]) => file),
      ['cpu.shares', 'cpu.cfs_period_us', 'cpu.cfs_quota_us', 'memory.limit_in_bytes', 'pids.max'],
    );
    assert.deepEqual(limitFiles({}, 2), []);
  });

  it('have weights from 1 to 10000', () => assert.deepEqual([2, 262_144, 1].map(weightOf), [1, 10_000, 1]));
});
