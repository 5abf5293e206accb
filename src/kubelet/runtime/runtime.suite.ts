/** The contract of `runtime.ts`, held by every driver: a constructor and one call. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import type { ContainerConfig, Runtime, SandboxConfig } from './runtime.ts';
import { containerConfig, eventually, exited, gather, logLines, sandboxConfig } from './testkit/fixture.ts';

export interface RuntimeUnderTest {
  runtime: Runtime;
  /** A place of the test's own. */
  directory: string;
  /** Lets go of the runtime and opens it again on what it left; absent: it keeps nothing. */
  reopen?: () => Promise<Runtime>;
  /** Programs really run: they write, exit with codes, heed signals. */
  programs: boolean;
  /** They run inside their image's root filesystem. */
  entersRootfs: boolean;
  dispose(): Promise<void>;
}

/** `skip`: why this driver cannot be tested here. */
export function runtimeSuite(name: string, open: () => Promise<RuntimeUnderTest>, skip?: string): void {
  describe(name, { skip, timeout: 120_000, concurrency: false }, () => {
    let under: RuntimeUnderTest;
    let alive: NodeJS.Timeout;
    before(async () => {
      // The runtime's own watches and timers do not keep a process alive.
      alive = setInterval(() => undefined, 1000);
      under = await open();
    });
    after(async () => {
      clearInterval(alive);
      await under?.dispose();
    });
    const needsPrograms = (t: { skip(why: string): void }) => {
      if (!under.programs) t.skip('this driver runs no programs');
      return under.programs;
    };
    const config = (command: string[], more?: Partial<ContainerConfig>) =>
      containerConfig(under.directory, command, more);
    /** A sandbox for one test. */
    const pod = async (more?: Partial<SandboxConfig>) => {
      const sandbox = await under.runtime.runPodSandbox(sandboxConfig(more));
      return { ...sandbox, [Symbol.asyncDispose]: () => under.runtime.removePodSandbox(sandbox.id) };
    };
    const started = async (sandbox: string, made: ContainerConfig) => {
      const id = await under.runtime.createContainer(sandbox, made);
      await under.runtime.startContainer(id);
      return id;
    };
    const run = async (sandbox: string, command: string[], more?: Partial<ContainerConfig>) => {
      const made = config(command, more);
      const id = await started(sandbox, made);
      const status = await exited(under.runtime, id);
      return { id, status, lines: await logLines(made.logPath) };
    };

    it('runs a sandbox once, however often it is asked', async () => {
      const wanted = sandboxConfig();
      const first = await under.runtime.runPodSandbox(wanted);
      const again = await under.runtime.runPodSandbox(wanted);
      assert.equal(again.id, first.id);
      assert.equal(first.state, 'Ready');
      assert.equal(first.ips.length, 1);
      assert.equal((await under.runtime.listPodSandboxes()).filter(({ id }) => id === first.id).length, 1);
      await under.runtime.stopPodSandbox(first.id);
      assert.equal((await under.runtime.podSandboxStatus(first.id))?.state, 'NotReady');
      await under.runtime.stopPodSandbox(first.id);
      await under.runtime.removePodSandbox(first.id);
      await under.runtime.removePodSandbox(first.id);
      assert.equal(await under.runtime.podSandboxStatus(first.id), undefined);
    });

    it('takes a container from created to running to exited to gone, and tells of each step', async () => {
      await using sandbox = await pod();
      const events: string[] = [];
      const stop = under.runtime.onEvent(({ type, sandboxId }) => void (sandboxId === sandbox.id && events.push(type)));
      const id = await under.runtime.createContainer(sandbox.id, config(['sleep', '1000'], { labels: { a: 'b' } }));
      assert.equal((await under.runtime.containerStatus(id))?.state, 'Created');
      await under.runtime.startContainer(id);
      const running = await under.runtime.containerStatus(id);
      assert.equal(running?.state, 'Running');
      assert.deepEqual(running?.labels, { a: 'b' });
      assert.ok((running?.startedAt ?? 0) > 0);
      await under.runtime.stopContainer(id, 0);
      const ended = await under.runtime.containerStatus(id);
      assert.deepEqual([ended?.state, ended?.exitCode, ended?.reason], ['Exited', 137, 'Error']);
      assert.ok((ended?.finishedAt ?? 0) >= (ended?.startedAt ?? 0));
      await under.runtime.stopContainer(id, 0);
      await under.runtime.removeContainer(id);
      await under.runtime.removeContainer(id);
      assert.equal(await under.runtime.containerStatus(id), undefined);
      stop();
      assert.deepEqual(events, ['started', 'exited', 'removed']);
    });

    it('makes one container of one name and attempt', async () => {
      await using sandbox = await pod();
      const wanted = config(['sleep', '1000']);
      const [a, b] = await Promise.all([
        under.runtime.createContainer(sandbox.id, wanted),
        under.runtime.createContainer(sandbox.id, wanted),
      ]);
      assert.equal(a, b);
      await Promise.all([under.runtime.startContainer(a), under.runtime.startContainer(a)]);
      assert.equal(
        (await under.runtime.listContainers()).filter(({ sandboxId }) => sandboxId === sandbox.id).length,
        1,
      );
    });

    it('ends what runs in a sandbox that is stopped', async () => {
      await using sandbox = await pod();
      const id = await started(sandbox.id, config(['sleep', '1000']));
      await under.runtime.stopPodSandbox(sandbox.id);
      assert.equal((await under.runtime.containerStatus(id))?.state, 'Exited');
      await assert.rejects(
        under.runtime.createContainer(sandbox.id, config(['true'], { metadata: { name: 'late', attempt: 0 } })),
        { reason: 'CreateContainerError' },
      );
    });

    it('refuses what it does not know', async () => {
      await assert.rejects(under.runtime.createContainer('nothing', config(['true'])), { reason: 'NotFound' });
      await assert.rejects(under.runtime.startContainer('nothing'), { reason: 'NotFound' });
      await assert.rejects(under.runtime.runPodSandbox(sandboxConfig({ runtimeHandler: 'no-such' })), /no-such/);
      assert.equal(await under.runtime.containerStatus('nothing'), undefined);
      await under.runtime.stopContainer('nothing', 0);
      await under.runtime.removeContainer('nothing');
    });

    it('refuses a stop signal that is none', async () => {
      await using sandbox = await pod();
      await assert.rejects(
        under.runtime.createContainer(sandbox.id, config(['true'], { stopSignal: 'SIGNOTHING' })),
        /SIGNOTHING/,
      );
    });

    it('refuses an image that is not present', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const absent = under.runtime.createContainer(sandbox.id, config(['true'], { image: 'absent:1' }));
      await assert.rejects(absent, { reason: 'ImageNotPresent' });
    });

    it('keeps output and exit code', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const { status, lines } = await run(sandbox.id, [
        'sh',
        '-c',
        'echo out; echo err >&2; printf unfinished; exit 7',
      ]);
      assert.deepEqual([status.exitCode, status.reason], [7, 'Error']);
      assert.ok(lines.includes('stdout F out'), lines.join('\n'));
      assert.ok(lines.includes('stderr F err'));
      assert.ok(lines.some((line) => /^stdout [PF] unfinished$/.test(line)));
    });

    it("gives the container its environment, the image's beneath, its working directory and hostname", async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const env = [
        { name: 'A', value: "it's $HOME\nsecond" },
        { name: 'odd.name-1', value: 'x y' },
      ];
      const { lines } = await run(
        sandbox.id,
        ['sh', '-c', 'echo "$A"; echo $FROM_IMAGE; pwd; cat "etc/hostname" 2>/dev/null || cat /etc/hostname'],
        { env, workingDir: '/var/work' },
      );
      assert.deepEqual(lines.slice(0, 3), ["stdout F it's $HOME", 'stdout F second', 'stdout F yes']);
      assert.match(lines[3] ?? '', /\/var\/work$/);
      const bare = await run(sandbox.id, ['env'], { env, metadata: { name: 'bare', attempt: 0 } });
      assert.ok(bare.lines.includes('stdout F odd.name-1=x y'), bare.lines.join('\n'));
      if (under.entersRootfs) assert.equal(lines[4], `stdout F ${sandbox.config.hostname}`);
    });

    it('mounts volumes, some of them for reading only', async (t) => {
      if (!needsPrograms(t)) return;
      if (!under.entersRootfs) return t.skip('volumes are links without a root filesystem of its own');
      await using sandbox = await pod();
      const data = join(under.directory, `data-${sandbox.id.slice(0, 8)}`);
      await mkdir(data);
      await writeFile(join(data, 'in'), 'given');
      const mounts = [
        { hostPath: data, containerPath: '/data', readOnly: false },
        { hostPath: data, containerPath: '/fixed', readOnly: true },
        { hostPath: join(data, 'in'), containerPath: '/dev/one-file', readOnly: false },
      ];
      const { lines } = await run(
        sandbox.id,
        ['sh', '-c', 'cat /data/in; echo; echo back >/data/out; echo no >/fixed/x || echo refused; cat /dev/one-file'],
        { mounts },
      );
      assert.ok(
        lines.some((line) => /^stdout [PF] given$/.test(line)) && lines.includes('stdout F refused'),
        lines.join('\n'),
      );
      assert.equal(await readFile(join(data, 'out'), 'utf8'), 'back\n');
      const missing = config(['true'], {
        metadata: { name: 'missing', attempt: 0 },
        mounts: [{ hostPath: '/no/such/place', containerPath: '/x', readOnly: true }],
      });
      await assert.rejects(under.runtime.createContainer(sandbox.id, missing), /\/no\/such\/place/);
    });

    it('says why a program cannot be started', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const id = await under.runtime.createContainer(sandbox.id, config(['no-such-program']));
      await assert.rejects(under.runtime.startContainer(id), /no-such-program/);
      const status = await under.runtime.containerStatus(id);
      assert.deepEqual([status?.state, status?.exitCode, status?.reason], ['Exited', 128, 'StartError']);
    });

    it('stops gently within the grace period, and kills after it', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const gentle = config(['sh', '-c', 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done']);
      const id = await started(sandbox.id, gentle);
      await eventually(async () => (await logLines(gentle.logPath)).includes('stdout F ready'), 'ready');
      await under.runtime.stopContainer(id, 10_000);
      assert.equal((await under.runtime.containerStatus(id))?.exitCode, 5);
      assert.ok((await logLines(gentle.logPath)).includes('stdout F bye'));
      const stubborn = config(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'], {
        metadata: { name: 'stubborn', attempt: 0 },
      });
      const other = await started(sandbox.id, stubborn);
      await eventually(async () => (await logLines(stubborn.logPath)).includes('stdout F ready'), 'ready');
      await under.runtime.stopContainer(other, 100);
      assert.equal((await under.runtime.containerStatus(other))?.exitCode, 137);
    });

    it('runs commands beside the program, with their own streams and exit code', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const id = await started(
        sandbox.id,
        config(['sleep', '1000'], { env: [{ name: 'A', value: 'of the container' }] }),
      );
      const [stdout, stderr, stdin] = [gather(), gather(), new PassThrough()];
      stdin.end('typed');
      const command = ['sh', '-c', 'cat; echo " $A"; echo bad >&2; exit 4'];
      assert.equal(await under.runtime.exec(id, { command, tty: false }, { stdin, stdout, stderr }), 4);
      assert.equal(stdout.text(), 'typed of the container\n');
      assert.equal(stderr.text(), 'bad\n');
      await assert.rejects(
        under.runtime.exec(id, { command: ['no-such-program'], tty: false }, { stdout, stderr }),
        /no-such-program/,
      );
    });

    it('runs a command on a terminal', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const id = await started(sandbox.id, config(['sleep', '1000']));
      const [stdout, stdin] = [gather(), new PassThrough()];
      async function* resize() {
        yield { width: 123, height: 45 };
      }
      const command = ['sh', '-c', 'tty >/dev/null && echo a terminal; read x; echo "<$x>"; stty size; exit 3'];
      const done = under.runtime.exec(id, { command, tty: true }, { stdin, stdout, resize: resize() });
      await eventually(() => stdout.text().includes('a terminal'), 'the terminal');
      stdin.write('hello\n');
      assert.equal(await done, 3);
      assert.match(stdout.text(), /<hello>/);
      assert.match(stdout.text(), /45 123/);
    });

    it('kills a command whose caller went away', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const id = await started(sandbox.id, config(['sleep', '1000']));
      const [stdout, gone] = [gather(), new AbortController()];
      const command = ['sh', '-c', 'echo ready; exec sleep 4321'];
      const done = under.runtime.exec(id, { command, tty: false, signal: gone.signal }, { stdout });
      await eventually(() => stdout.text().includes('ready'), 'ready');
      gone.abort(new Error('gone'));
      await assert.rejects(done, /gone/);
      const left = gather();
      await eventually(async () => {
        const seen = gather();
        await under.runtime.exec(id, { command: ['ps', '-o', 'args'], tty: false }, { stdout: seen });
        return !seen.text().includes('sleep 4321');
      }, 'the end of the command');
      left.end();
    });

    it("joins a program's output and input, and ends its input when it is given once", async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const made = config(['sh', '-c', 'while read line; do echo "got $line"; done; echo over'], {
        stdin: true,
        stdinOnce: true,
      });
      const id = await started(sandbox.id, made);
      const [stdout, stdin] = [gather(), new PassThrough()];
      const joined = under.runtime.attach(id, { tty: false }, { stdin, stdout });
      stdin.write('one\n');
      await eventually(() => stdout.text().includes('got one'), 'the answer');
      stdin.end('two\n');
      await joined;
      assert.match(stdout.text(), /got two\n(.*\n)*over/);
      assert.equal((await exited(under.runtime, id)).exitCode, 0);
      assert.ok((await logLines(made.logPath)).includes('stdout F over'));
    });

    it('joins only the output of a program without input', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const id = await started(sandbox.id, config(['sh', '-c', 'while :; do echo tick; sleep 0.05; done']));
      const [stdout, gone] = [gather(), new AbortController()];
      const joined = under.runtime.attach(id, { tty: false, signal: gone.signal }, { stdout });
      await eventually(() => stdout.text().includes('tick\n'), 'output');
      gone.abort();
      await joined;
      assert.equal((await under.runtime.containerStatus(id))?.state, 'Running');
      await assert.rejects(under.runtime.attach(id, { tty: false }, { stdin: new PassThrough() }), /stdin/);
    });

    it('gives a program a terminal', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const made = config(['sh', '-c', 'tty >/dev/null && echo yes; read x; stty size; echo "<$x>"; exit 6'], {
        stdin: true,
        tty: true,
      });
      const id = await started(sandbox.id, made);
      const [stdout, stdin, sized] = [gather(), new PassThrough(), new PassThrough()];
      async function* resize() {
        yield { width: 99, height: 33 };
        sized.end();
      }
      const joined = under.runtime.attach(id, { tty: true }, { stdin, stdout, resize: resize() });
      await eventually(() => sized.writableEnded, 'the new size');
      stdin.write('word\n');
      await joined;
      assert.match(stdout.text(), /33 99\r\n/);
      assert.match(stdout.text(), /<word>\r\n/);
      assert.equal((await exited(under.runtime, id)).exitCode, 6);
    });

    it('connects to a port inside the pod', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const port = 20_000 + Math.floor(Math.random() * 20_000);
      await started(sandbox.id, config(['sh', '-c', `exec httpd -f -p \${HOST:-127.0.0.1}:${port} -h /`]));
      const stream = await eventually(
        () => under.runtime.portForward(sandbox.id, port).catch(() => undefined),
        'a listener',
      );
      const seen = gather();
      stream.on('error', () => undefined);
      stream.pipe(seen);
      stream.write('GET /etc/passwd HTTP/1.0\r\n\r\n');
      await eventually(() => seen.text().startsWith('HTTP/1.'), 'an answer through the port');
      stream.destroy();
      await assert.rejects(under.runtime.portForward(sandbox.id, port + 1), new RegExp(`port ${port + 1}`));
    });

    it('begins a new log where the old one was moved away', async (t) => {
      if (!needsPrograms(t)) return;
      await using sandbox = await pod();
      const made = config(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done']);
      const id = await started(sandbox.id, made);
      await eventually(async () => (await logLines(made.logPath)).length > 2, 'lines');
      await rename(made.logPath, `${made.logPath}.1`);
      await under.runtime.reopenContainerLog(id);
      await eventually(async () => (await logLines(made.logPath)).length > 2, 'lines in the new log');
      await under.runtime.stopContainer(id, 0);
      const number = (line: string) => Number(line.split(' ').at(-1));
      const all = [...(await logLines(`${made.logPath}.1`)), ...(await logLines(made.logPath))].map(number);
      assert.deepEqual(
        all,
        all.map((_, index) => index + 1),
        `no line lost, none twice: ${(await logLines(made.logPath)).join('; ')}`,
      );
    });

    it('tells what a container uses', async (t) => {
      await using sandbox = await pod();
      const id = await started(sandbox.id, config(['sleep', '1000']));
      const stats = await under.runtime.containerStats(id);
      if (process.platform !== 'linux' && under.programs) return t.skip('needs /proc');
      assert.ok(stats && stats.memoryBytes > 0 && stats.pids > 0, JSON.stringify(stats));
      await under.runtime.stopContainer(id, 0);
      assert.equal(await under.runtime.containerStats(id), undefined);
    });

    it('finds again what it left running, and what ended meanwhile', async (t) => {
      if (!under.reopen) return t.skip('this driver keeps nothing');
      await using sandbox = await pod();
      const long = config(['sh', '-c', 'echo before; sleep 1.2; echo after; exec sleep 1000'], {
        metadata: { name: 'long', attempt: 0 },
      });
      const short = config(['sh', '-c', 'sleep 0.5; exit 9'], { metadata: { name: 'short', attempt: 0 } });
      const [a, b] = [await started(sandbox.id, long), await started(sandbox.id, short)];
      const pid = (await under.runtime.containerStatus(a))?.pid;
      await under.runtime.close();
      await new Promise((resolve) => setTimeout(resolve, 800));
      under.runtime = await under.reopen();
      const again = await under.runtime.containerStatus(a);
      assert.deepEqual([again?.state, again?.pid], ['Running', pid]);
      assert.equal((await under.runtime.containerStatus(b))?.exitCode, 9);
      await eventually(
        async () => (await logLines(long.logPath)).includes('stdout F after'),
        'output after the restart',
      );
      assert.deepEqual(await logLines(long.logPath), ['stdout F before', 'stdout F after']);
      await under.runtime.stopContainer(a, 0);
      assert.equal((await under.runtime.containerStatus(a))?.exitCode, 137);
    });
  });
}
