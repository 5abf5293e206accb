import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findProgram } from '../findprogram.ts';
import { type RuntimeUnderTest, runtimeSuite } from '../runtime.suite.ts';
import {
  busyboxImages,
  containerConfig,
  eventually,
  exited,
  gather,
  isolatedNetwork,
  logLines,
  realClock,
  realRandom,
  sandboxConfig,
  temporaryDirectory,
  whyNoOci,
} from '../testkit/fixture.ts';
import { type OciOptions, ociRuntime } from './setup.ts';

const crun = await findProgram('crun');
const runc = await findProgram('runc');
const conmon = await findProgram('conmon');
const why = whyNoOci();

/** A driver on a directory and a cgroup of its own, and all it made removed at the end. */
async function open(more: Partial<OciOptions>): Promise<RuntimeUnderTest & AsyncDisposable> {
  const directory = await temporaryDirectory();
  const cgroupParent = `/glasshouse-test-${process.pid}-${Math.floor(Math.random() * 1e9)}`;
  const make = async () => {
    const runtime = await ociRuntime({
      directory: join(directory, 'runtime'),
      images: busyboxImages(directory),
      network: isolatedNetwork(directory),
      clock: realClock,
      random: realRandom,
      cgroupParent,
      ...more,
    });
    await runtime.start();
    return runtime;
  };
  const under = {
    runtime: await make(),
    directory,
    cgroupParent,
    reopen: make,
    programs: true,
    entersRootfs: true,
    async dispose() {
      for (const { id } of await under.runtime.listPodSandboxes()) await under.runtime.removePodSandbox(id);
      await under.runtime.close();
      await removeCgroups(cgroupParent);
      await rm(directory, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => under.dispose(),
  };
  return under;
}

async function removeCgroups(parent: string): Promise<void> {
  const { Cgroups, detectCgroups } = await import('../cgroups.ts');
  const layout = detectCgroups();
  if (layout) await new Cgroups(layout).remove(parent);
}

const lacks = (what: string, path: string | undefined) => why ?? (path ? undefined : `needs ${what}`);
runtimeSuite(
  'oci: crun, held by conmon',
  () => open({ runtimes: { '': 'crun' } }),
  lacks('crun', crun) ?? lacks('conmon', conmon),
);
runtimeSuite('oci: crun, held by sh', () => open({ runtimes: { '': 'crun' }, conmon: false }), lacks('crun', crun));
runtimeSuite('oci: runc', () => open({ runtimes: { '': 'runc' } }), lacks('runc', runc));

describe('oci', {
  skip: why ?? (crun || runc ? undefined : 'needs crun or runc'),
  concurrency: false,
  timeout: 120_000,
}, () => {
  for (const holder of [undefined, false] as const) {
    const by = holder === false ? 'sh' : 'conmon';
    const skip = holder === undefined && !conmon ? 'needs conmon' : undefined;

    it(`tells of a container that was killed for its memory (held by ${by})`, { skip }, async () => {
      await using under = await open({ conmon: holder });
      const { status } = await play(under, ['sh', '-c', 'x=$(yes | head -c 100000000); echo survived'], {
        resources: { memoryLimit: 16 << 20 },
      });
      assert.deepEqual([status.exitCode, status.reason], [137, 'OOMKilled']);
    });

    it(`costs at most 2 MB for what holds a container (held by ${by})`, { skip }, async (t) => {
      await using under = await open({ conmon: holder });
      const sandbox = await under.runtime.runPodSandbox(sandboxConfig());
      const ids: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        const config = containerConfig(under.directory, ['sleep', '1000'], { metadata: { name, attempt: 0 } });
        ids.push(await under.runtime.createContainer(sandbox.id, config));
        await under.runtime.startContainer(ids.at(-1) as string);
      }
      const kilobytes = holdersOf(ids).reduce((sum, pid) => sum + proportional(pid), 0) / ids.length;
      t.diagnostic(`${Math.round(kilobytes)} kB a container`);
      assert.ok(kilobytes > 100 && kilobytes < 2048, `${kilobytes} kB`);
    });
  }

  it('contains a program that forks without end, and kills it', async () => {
    await using under = await open({});
    const sandbox = await under.runtime.runPodSandbox(sandboxConfig());
    // What is forked stays, so that the limit is reached for good and not for an instant between two looks.
    const config = containerConfig(under.directory, ['sh', '-c', '(while :; do sleep 1000 & done); sleep 1000'], {
      resources: { pidsLimit: 40 },
    });
    const id = await under.runtime.createContainer(sandbox.id, config);
    await under.runtime.startContainer(id);
    await eventually(
      async () =>
        ((await under.runtime.containerStats(id))?.pids ?? 0) >= 39 ||
        (await under.runtime.containerStatus(id))?.state === 'Exited',
      'the bomb',
      30_000,
    );
    assert.ok(((await under.runtime.containerStats(id))?.pids ?? 0) <= 40);
    await under.runtime.stopContainer(id, 0);
    assert.equal((await under.runtime.containerStatus(id))?.state, 'Exited');
  });

  it('limits the processes of a pod whose containers have no limit of their own', async () => {
    await using under = await open({ podPidsLimit: 30 });
    const { lines } = await play(under, ['sh', '-c', 'for i in $(seq 60); do sleep 5 & done; echo not reached']);
    assert.ok(!lines.includes('stdout F not reached'), lines.join('\n'));
  });

  it('drops what a container does not need', async () => {
    await using under = await open({});
    const script = `id -u; id -g; id -G; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status; echo x >/proc/sys/kernel/hostname || echo refused; cat /proc/kcore | head -c 1 | wc -c; mount -t tmpfs x /tmp || echo no mount; touch /file || echo read-only`;
    const { lines } = await play(under, ['sh', '-c', script], {
      security: {
        runAsUserName: 'alice',
        supplementalGroups: [7],
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { add: [], drop: ['ALL'] },
        seccomp: { type: 'RuntimeDefault' },
      },
    });
    const text = lines.filter((line) => line.startsWith('stdout')).map((line) => line.slice('stdout F '.length));
    assert.deepEqual(text.slice(0, 3), ['1000', '1001', '1001 7 2000']);
    assert.match(text.join('\n'), /CapEff:\s+0+\n/);
    assert.match(text.join('\n'), /CapBnd:\s+0+\n/);
    assert.match(text.join('\n'), /NoNewPrivs:\s+1/);
    assert.match(text.join('\n'), /Seccomp:\s+2/);
    for (const word of ['refused', '0', 'no mount', 'read-only'])
      assert.ok(text.includes(word), `${word}: ${text.join('; ')}`);
  });

  it("gives a privileged container the machine's devices", async () => {
    await using under = await open({});
    const { lines } = await play(
      under,
      ['sh', '-c', 'test -c /dev/kmsg && echo kmsg; mount -t tmpfs x /tmp && echo mounted'],
      { security: { privileged: true } },
    );
    assert.deepEqual(
      lines.filter((line) => line.startsWith('stdout')),
      ['stdout F kmsg', 'stdout F mounted'],
    );
  });

  it('gives a container the files of its pod', async () => {
    await using under = await open({});
    const { lines } = await play(
      under,
      ['cat', '/etc/resolv.conf', '/etc/hosts'],
      {},
      { hosts: [{ ip: '10.1.2.3', hostnames: ['db', 'db.local'] }] },
    );
    for (const line of [
      'nameserver 10.96.0.10',
      'search default.svc.cluster.local',
      'options ndots:5',
      '10.1.2.3\tdb\tdb.local',
      '127.0.0.1\tlocalhost',
    ])
      assert.ok(lines.includes(`stdout F ${line}`), line);
  });

  it('sets limits where the kernel enforces them, and changes them while it runs', async () => {
    await using under = await open({});
    const { cgroupParent } = under as unknown as { cgroupParent: string };
    const sandbox = await under.runtime.runPodSandbox(sandboxConfig({ qosClass: 'Burstable' }));
    const config = containerConfig(under.directory, ['sleep', '1000'], {
      resources: { memoryLimit: 64 << 20, cpuShares: 512, cpuQuota: 50_000, cpuPeriod: 100_000 },
    });
    const id = await under.runtime.createContainer(sandbox.id, config);
    await under.runtime.startContainer(id);
    const { pid } = (await under.runtime.containerStatus(id)) as { pid: number };
    assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`${cgroupParent}/burstable/pod.*/${id}/c`));
    const limit = () => {
      const v1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
      const v2 = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
      const path =
        v1 === undefined ? `/sys/fs/cgroup${v2}/memory.max` : `/sys/fs/cgroup/memory${v1}/memory.limit_in_bytes`;
      return Number(readFileSync(path, 'utf8'));
    };
    assert.equal(limit(), 64 << 20);
    await under.runtime.updateContainerResources(id, { memoryLimit: 128 << 20 });
    assert.equal(limit(), 128 << 20);
  });

  it('lets containers of a pod share their processes when it says so', async () => {
    await using under = await open({});
    const sandbox = await under.runtime.runPodSandbox(sandboxConfig({ shareProcessNamespace: true }));
    const first = containerConfig(under.directory, ['sleep', '3456'], { metadata: { name: 'first', attempt: 0 } });
    const id = await under.runtime.createContainer(sandbox.id, first);
    await under.runtime.startContainer(id);
    const second = containerConfig(under.directory, ['sh', '-c', 'ps -o pid,args; ls /proc/1/root/ 2>/dev/null'], {
      metadata: { name: 'second', attempt: 0 },
      security: { capabilities: { add: ['SYS_PTRACE'], drop: [] } },
    });
    const other = await under.runtime.createContainer(sandbox.id, second);
    await under.runtime.startContainer(other);
    await exited(under.runtime, other);
    const lines = await logLines(second.logPath);
    assert.ok(
      lines.some((line) => line.includes('sleep 3456')),
      lines.join('\n'),
    );
    assert.ok(
      !lines.includes('stdout F root') && !lines.includes('stdout F etc'),
      'nothing of the host behind process 1',
    );
    await under.runtime.stopContainer(id, 0);
    assert.equal((await under.runtime.containerStatus(id))?.exitCode, 137);
  });

  it('passes nothing of our environment on', async () => {
    process.env['SECRET_OF_OURS'] = 'shh';
    await using under = await open({});
    const { lines } = await play(under, ['env']);
    delete process.env['SECRET_OF_OURS'];
    assert.ok(!lines.some((line) => /SECRET_OF_OURS|NODE_/.test(line)), lines.join('\n'));
  });

  it('says what to install when a runtime is missing', async () => {
    await using under = await open({});
    const { directory } = under;
    const missing = ociRuntime({
      directory: join(directory, 'other'),
      runtimes: { '': 'no-such-runtime' },
      images: busyboxImages(directory),
      network: isolatedNetwork(directory),
      clock: realClock,
      random: realRandom,
    });
    await assert.rejects(missing, /"no-such-runtime" is not installed: install crun or runc/);
  });

  it('runs a pod by the handler that its RuntimeClass names', async (t) => {
    if (!crun || !runc) return t.skip('needs crun and runc');
    await using under = await open({ runtimes: { '': crun, second: runc } });
    assert.deepEqual(under.runtime.handlers, ['second']);
    const { status } = await play(under, ['sh', '-c', 'exit 12'], {}, { runtimeHandler: 'second' });
    assert.equal(status.exitCode, 12);
    assert.ok(readdirSync(join(under.directory, 'runtime/state/handler-second')));
  });

  for (const holder of ['conmon', 'sh'])
    it(`finds everything again after being killed in the middle of it (held by ${holder})`, async (t) => {
      if (holder === 'conmon' && !conmon) return t.skip('needs conmon');
      const directory = await temporaryDirectory();
      const cgroupParent = `/glasshouse-test-${process.pid}-killed-${holder}`;
      const settings = { directory, cgroupParent, holder, sandbox: sandboxConfig() };
      const child = fork(join(import.meta.dirname, '../testkit/startandwait.ts'), [JSON.stringify(settings)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const [started] = (await once(child, 'message')) as [{ long: string; short: string; pid: number }];
      child.kill('SIGKILL');
      await once(child, 'exit');
      await eventually(
        () => readdirSync(join(directory, 'runtime/exits')).includes(started.short),
        'an end while nobody looks',
      );
      const runtime = await ociRuntime({
        directory: join(directory, 'runtime'),
        images: busyboxImages(directory),
        network: isolatedNetwork(directory),
        clock: realClock,
        random: realRandom,
        cgroupParent,
        ...(holder === 'sh' && { conmon: false as const }),
      });
      await runtime.start();
      const statuses = new Map((await runtime.listContainers()).map((status) => [status.id, status]));
      assert.equal(statuses.size, 2);
      assert.deepEqual([statuses.get(started.long)?.state, statuses.get(started.long)?.pid], ['Running', started.pid]);
      assert.deepEqual([statuses.get(started.short)?.state, statuses.get(started.short)?.exitCode], ['Exited', 17]);
      const sandbox = await runtime.runPodSandbox(settings.sandbox);
      assert.equal((await runtime.listPodSandboxes()).length, 1);
      await runtime.startContainer(started.long);
      assert.equal((await runtime.containerStatus(started.long))?.pid, started.pid);
      const stdout = gather();
      await runtime.exec(started.long, { command: ['ps', '-o', 'args'], tty: false }, { stdout });
      assert.equal(
        stdout
          .text()
          .split('\n')
          .filter((line) => line.includes('sleep 2345')).length,
        1,
        stdout.text(),
      );
      await runtime.removePodSandbox(sandbox.id);
      await runtime.close();
      await removeCgroups(cgroupParent);
      await rm(directory, { recursive: true, force: true });
    });

  it('leaves nothing behind', async () => {
    const under = await open({});
    await play(under, ['true']);
    const { directory } = under;
    for (const { id } of await under.runtime.listPodSandboxes()) await under.runtime.removePodSandbox(id);
    const { cgroupParent } = under as unknown as { cgroupParent: string };
    const left = readdirSync('/sys/fs/cgroup').filter(
      (tree) =>
        existsSync(`/sys/fs/cgroup/${tree}${cgroupParent}/besteffort`) &&
        readdirSync(`/sys/fs/cgroup/${tree}${cgroupParent}/besteffort`).some((name) => name.startsWith('pod')),
    );
    assert.deepEqual(left, [], 'cgroups of pods');
    await under.dispose();
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(directory), 'mounts');
  });
});

async function play(
  under: RuntimeUnderTest,
  command: string[],
  more: Parameters<typeof containerConfig>[2] = {},
  pod: Parameters<typeof sandboxConfig>[0] = {},
) {
  const sandbox = await under.runtime.runPodSandbox(sandboxConfig(pod));
  const config = containerConfig(under.directory, command, more);
  const id = await under.runtime.createContainer(sandbox.id, config);
  await under.runtime.startContainer(id);
  const status = await exited(under.runtime, id);
  return { status, lines: await logLines(config.logPath) };
}

/** Processes of the host that name one of these containers: what holds them. */
function holdersOf(ids: string[]): number[] {
  const own = (pid: string) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return ids.some((id) => words.includes(id));
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && own(name))
    .map(Number);
}

function proportional(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}
