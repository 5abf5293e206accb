/** The same walk for somebody without privileges: `glass up --runtime process`, as a user who may do nothing special. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Resolver } from 'node:dns/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { AppsV1Api, CoreV1Api, KubeConfig, type V1Deployment } from '@kubernetes/client-node';
import { busyboxArchive } from '../testkit/busybox.ts';
import { eventually, type Glass, root, startGlass } from '../testkit/glass.ts';
import { inside, onPath } from '../testkit/inside.ts';

const execute = promisify(execFile);
const namespace = 'default';
const nobody = 65_534;
const superuser = process.getuid?.() === 0;
const uid = superuser ? nobody : undefined;
const labels = { app: 'walk' };
/** Told on the programs' command lines, so that they are found again among everything that runs here. */
const mark = `walk-${randomBytes(6).toString('hex')}`;
const usersOwn = 'apiVersion: v1\nkind: Config\ncurrent-context: work # mine\ncontexts: []\n';

// paths are relative: where users may make no namespaces, a program runs on the host's filesystem
const serve = (text: string) =>
  `mkdir -p www; echo "${text} by $HOSTNAME" | tee www/index.html; exec httpd -f -r ${mark} -p $POD_IP:8080 -h www`;

const deployment: V1Deployment = {
  metadata: { name: 'walk', namespace },
  spec: {
    replicas: 2,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'web',
            image: 'busybox:walk',
            command: ['sh', '-c', serve('made')],
            ports: [{ name: 'http', containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
};

function walk(): void {
  describe('one apply without privileges, walked', () => {
    let glass: Glass;
    let apps: AppsV1Api;
    let core: CoreV1Api;
    const scratch = mkdtempSync(join(tmpdir(), 'glass-walk-'));

    const connect = () => {
      const config = new KubeConfig();
      config.loadFromFile(glass.kubeconfig);
      apps = config.makeApiClient(AppsV1Api);
      core = config.makeApiClient(CoreV1Api);
    };
    before(async () => {
      if (uid !== undefined) chownSync(scratch, uid, uid);
      glass = await startGlass({ runtime: 'process', uid, usersKubeconfig: usersOwn });
      await glass.run('image', 'import', busyboxArchive(scratch, 'busybox:walk'));
      connect();
      await core.createNamespacedService({
        namespace,
        body: {
          metadata: { name: 'walk', namespace },
          spec: {
            selector: labels,
            type: 'NodePort',
            ports: [
              { name: 'http', port: 8080, targetPort: 'http' },
              { name: 'low', port: 80, targetPort: 'http' },
            ],
          },
        },
      });
      await apps.createNamespacedDeployment({ namespace, body: deployment });
    });
    after(async () => {
      await glass?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    const pods = async () => (await core.listNamespacedPod({ namespace, labelSelector: 'app=walk' })).items;
    const available = () =>
      eventually(async () => {
        const { metadata, status } = await apps.readNamespacedDeployment({ namespace, name: 'walk' });
        return (
          status?.observedGeneration === metadata?.generation &&
          status?.availableReplicas === 2 &&
          status.updatedReplicas === 2 &&
          status.replicas === 2
        );
      });
    const places = async () => {
      const { spec } = await core.readNamespacedService({ namespace, name: 'walk' });
      const [http, low] = spec!.ports!;
      return { ip: spec!.clusterIP!, http: http!.nodePort!, low: low!.nodePort! };
    };

    test('the node is Ready, and the programs are those of this user', async () => {
      const [node] = (await core.listNode()).items;
      assert.equal(node!.status!.conditions!.find(({ type }) => type === 'Ready')?.status, 'True');
      await available();
      for (const pod of await pods()) assert.match(pod.status?.podIP ?? '', /^127\.244\.\d+\.\d+$/);
      const programs = running();
      assert.equal(programs.length, 2);
      for (const { user } of programs) assert.equal(user, uid ?? process.getuid!());
    });

    test('its Service answers on a loopback address of its own and at the node port, from both pods', async () => {
      const { ip, http } = await places();
      assert.match(ip, /^127\.96\./);
      const answers = new Set<string>();
      await eventually(async () => {
        answers.add(await textOf(`http://${ip}:8080`));
        return answers.size === 2;
      });
      assert.deepEqual(
        [...answers].toSorted(),
        (await pods()).map((pod) => `made by ${pod.metadata!.name}`).toSorted(),
      );
      assert.match(await textOf(`http://127.0.0.1:${http}`), /^made by walk-/);
    });

    test('a port that only root may have does not stop the others, and the reason is told', async (t) => {
      const { ip, low } = await places();
      assert.match(await textOf(`http://127.0.0.1:${low}`), /^made by walk-/);
      const start = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
      if (start <= 80) return t.skip('this machine lets everybody listen on port 80');
      assert.match(await textOf(`http://${ip}:20080`), /^made by walk-/);
      const log = readFileSync(join(glass.directory, 'glass.log'), 'utf8');
      const told = log.split('\n').find((line) => line.includes(`"ip":"${ip}","port":80,`));
      assert.match(told ?? log, /"instead":20080.*below 1024/);
    });

    test('its name is answered for', async () => {
      const [, ip, port] = /cluster\.local on ([\d.]+):(\d+)/.exec(glass.output())!;
      const resolver = new Resolver({ timeout: 2000, tries: 2 });
      resolver.setServers([`${ip}:${port}`]);
      assert.deepEqual(await resolver.resolve4('walk.default.svc.cluster.local'), [(await places()).ip]);
    });

    test('its log can be read, and a program can be run beside it', async (t) => {
      const [pod] = await pods();
      const name = pod!.metadata!.name!;
      assert.equal((await core.readNamespacedPodLog({ namespace, name })).trim(), `made by ${name}`);
      if (!onPath('kubectl')) return t.skip('kubectl is not on the PATH');
      const exec = async (...command: string[]) => {
        const { stdout } = await execute('kubectl', ['--kubeconfig', glass.kubeconfig, 'exec', name, '--', ...command]);
        return stdout.trim();
      };
      assert.equal(await exec('sh', '-c', 'echo $HOSTNAME; cat www/index.html'), `${name}\nmade by ${name}`);
      await assert.rejects(exec('sh', '-c', 'exit 3'), { code: 3 });
    });

    test('a killed server finds its programs again, and runs none twice', async () => {
      const found = identities(await pods());
      const programs = running();
      const { ip } = await places();
      await glass.kill('SIGKILL');
      assert.deepEqual(running(), programs, 'programs go on while the server is away');
      await glass.again();
      connect();
      await available();
      assert.deepEqual(identities(await pods()), found);
      assert.deepEqual(running(), programs);
      assert.match(await textOf(`http://${ip}:8080`), /^made by walk-/);
    });

    test('a release rolls, and no request fails while it does', async () => {
      const { http } = await places();
      const answers: string[] = [];
      const done = new AbortController();
      const asking = (async () => {
        while (!done.signal.aborted) {
          answers.push(
            await textOf(`http://127.0.0.1:${http}`).catch((error: Error) => `failed: ${error.cause ?? error}`),
          );
        }
      })();
      const patched = structuredClone(deployment);
      patched.spec!.template.spec!.containers[0]!.command = ['sh', '-c', serve('made anew')];
      await apps.replaceNamespacedDeployment({ namespace, name: 'walk', body: patched });
      await available();
      await eventually(() => running().length === 2);
      done.abort();
      await asking;
      assert.deepEqual(
        answers.filter((answer) => !/^made (anew )?by walk-/.test(answer)),
        [],
      );
      assert.match(await textOf(`http://127.0.0.1:${http}`), /^made anew by walk-/);
    });

    test('a folder becomes a URL', async () => {
      const printed = await glass.run('run', join(root, 'examples/hello'));
      const url = printed.trim().split('\n').at(-1)!;
      const [pod] = (await core.listNamespacedPod({ namespace, labelSelector: 'app=hello' })).items;
      const own = /in user namespaces/.test(glass.output()) ? pod!.metadata!.name! : hostname();
      assert.equal(await textOf(url), `Hello from Glasshouse! This is ${own}, and you asked for /`);
    });

    test('`down` ends every program, and the user’s kubeconfig is as it was', async () => {
      assert.match(readFileSync(glass.kubeconfig, 'utf8'), /current-context: glasshouse/);
      await glass.run('down');
      assert.deepEqual(running(), []);
      assert.equal(readFileSync(glass.kubeconfig, 'utf8'), usersOwn);
      assert.ok(!existsSync(join(glass.directory, 'run.json')));
    });
  });
}

// in namespaces of its own where that can be had: the addresses are those of every cluster of this kind
if (superuser) inside(import.meta.url, ['busybox'], 180, walk);
else if (onPath('busybox')) walk();
else test('one apply without privileges, walked', (t) => t.skip('needs busybox on the PATH'));

type Found = Awaited<ReturnType<CoreV1Api['listNamespacedPod']>>['items'];

function identities(pods: Found): unknown {
  return pods
    .map(({ metadata, status }) => ({
      uid: metadata?.uid,
      ip: status?.podIP,
      containers: status?.containerStatuses?.map(({ containerID, restartCount }) => ({ containerID, restartCount })),
    }))
    .toSorted((a, b) => String(a.uid).localeCompare(String(b.uid)));
}

/** The servers of this test that run on this machine. */
function running(): { pid: number; user: number }[] {
  const found: { pid: number; user: number }[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (command[0] !== 'httpd' || !command.includes(mark)) continue;
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      found.push({ pid: Number(pid), user: Number(/^Uid:\s+(\d+)/m.exec(status)![1]) });
    } catch {
      // it ended meanwhile
    }
  }
  return found;
}

async function textOf(url: string): Promise<string> {
  return (await (await fetch(url, { signal: AbortSignal.timeout(5000) })).text()).trim();
}
