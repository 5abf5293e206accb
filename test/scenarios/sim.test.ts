/** `glass sim` as a person meets it: a process, its lines, its exit code. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { httpsClient, loadKubeconfig } from '../../src/client/index.ts';
import { nodes, type Pod, pods } from '../../src/api/index.ts';
import { systemClock } from '../../src/machinery/index.ts';
import { root } from '../testkit/glass.ts';

const main = join(root, 'src/cmd/glass.ts');

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 50
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: "web:1" }] }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: tick, namespace: shop }
spec:
  schedule: "*/10 * * * *"
  successfulJobsHistoryLimit: 5
  jobTemplate:
    spec:
      template:
        metadata: { annotations: { sim.glasshouse.dev/run-milliseconds: "1000" } }
        spec: { restartPolicy: Never, containers: [{ name: c, image: "tick:1" }] }
`;

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'glass-sim-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  writeFileSync(join(made, 'shop.yaml'), manifest);
  return made;
}

function sim(home: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { ...process.env, GLASS_HOME: home, NODE_TEST_CONTEXT: undefined } as NodeJS.ProcessEnv;
    execFile(process.execPath, [main, 'sim', ...args], { env, timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('hours pass in seconds: workloads are placed, cron jobs run, and at the end it says how all stands', async (t) => {
  const home = folder(t);
  const flags = ['--nodes', '10', '--virtual', '--for', '2h', '--seed', '1', '-o', 'json'];
  const { code, stdout, stderr } = await sim(home, ...flags, '--load', join(home, 'shop.yaml'));
  assert.equal(code, 0, stderr);
  const count = JSON.parse(stdout);
  assert.equal(count.milliseconds, 7_200_000);
  assert.deepEqual(count.nodes, { all: 10, ready: 10 });
  assert.equal(count.pods.phases.Running, 50);
  assert.deepEqual(count.workloads.Deployment, { all: 1, done: 1 });
  assert.deepEqual(count.workloads.Job, { all: 5, done: 5 });
  assert.match(stderr.split('\n')[0]!, /export KUBECONFIG=/, 'the first line says what to type next');
});

test('in real time it answers kubectl until it is told to stop, and leaves no kubeconfig behind', async (t) => {
  const home = folder(t);
  const kubeconfig = join(home, 'kubeconfig');
  const env = { ...process.env, GLASS_HOME: home, NODE_TEST_CONTEXT: undefined } as NodeJS.ProcessEnv;
  const args = [main, 'sim', '--nodes', '3', '--load', join(home, 'shop.yaml'), '--kubeconfig', kubeconfig];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  let summary = '';
  child.stdout.on('data', (chunk) => (summary += String(chunk)));
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${printed}`)));
    child.stderr.on('data', (chunk) => {
      printed += String(chunk);
      if (/^ready in \d+ ms$/m.test(printed)) resolve();
    });
  });
  const client = httpsClient({ ...loadKubeconfig(kubeconfig), clock: systemClock });
  assert.equal((await client.list(nodes)).items.length, 3);
  const until = Date.now() + 30_000;
  const running = async () =>
    (await client.list<Pod>(pods, { namespace: 'shop' })).items.filter(({ status }) => status?.phase === 'Running');
  while ((await running()).length < 50 && Date.now() < until) await systemClock.sleep(100);
  assert.equal((await running()).length, 50);
  client.close();
  child.removeAllListeners('exit');
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  assert.equal(await exited, 0);
  assert.match(summary, /^nodes +3 of 3 ready$/m);
  assert.ok(!existsSync(kubeconfig));
});

test('what is asked wrongly is told with the flag, the value and the way out', async (t) => {
  const home = folder(t);
  const stage = join(home, 'stage.yaml');
  writeFileSync(
    stage,
    'apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: { name: s }\nspec: { resourceRef: { kind: Pood }, selector: {} }\n',
  );
  const cases: [string[], number, RegExp][] = [
    [['--virtual'], 2, /--virtual: say how long, as in --for 24h/],
    [['--for', '5 minutes'], 2, /--for 5 minutes: a duration is expected, as 90s, 1h30m or 7d/],
    [['--nodes', '-1'], 2, /--nodes -1: a whole number from 0 to 20000 is expected/],
    [['--node-cpu', 'many'], 2, /--node-cpu many: a quantity is expected/],
    [['--stage', join(home, 'nothing.yaml')], 1, /nothing\.yaml: it cannot be read \(ENOENT\)/],
    [['--stage', join(home, 'shop.yaml')], 2, /there is no Stage \(kwok\.x-k8s\.io\/v1alpha1\) in it/],
    [['--stage', stage], 2, /Stage s: spec\.resourceRef: v1 Pood is not a built-in kind/],
  ];
  for (const [args, wanted, why] of cases) {
    const { code, stderr } = await sim(home, ...args);
    assert.equal(code, wanted, stderr);
    assert.match(stderr, why);
  }
});

/** Where Go keeps KWOK's sources, if they are here (`go mod download sigs.k8s.io/kwok@v0.8.0`). */
function kwokStages(): string | undefined {
  try {
    const cache = execFileSync('go', ['env', 'GOMODCACHE'], { encoding: 'utf8' }).trim();
    const stages = join(cache, 'sigs.k8s.io/kwok@v0.8.0/kustomize/stage');
    return existsSync(stages) ? stages : undefined;
  } catch {
    return undefined;
  }
}

for (const pod of ['pod/fast', 'pod/general'])
  test(`KWOK's own stages, as they are: node/fast with ${pod}`, async (t) => {
    const stages = kwokStages();
    if (stages === undefined) return t.skip('the sources of KWOK are not in the module cache of Go');
    const home = folder(t);
    const flags = ['--nodes', '5', '--virtual', '--for', '30m', '-o', 'json', '--load', join(home, 'shop.yaml')];
    const { code, stdout, stderr } = await sim(
      home,
      ...flags,
      '--stage',
      join(stages, 'node/fast'),
      '--stage',
      join(stages, pod),
    );
    assert.equal(code, 0, stderr);
    const count = JSON.parse(stdout);
    assert.deepEqual(count.nodes, { all: 5, ready: 5 });
    assert.equal(count.pods.phases.Running, 50);
    assert.ok(count.workloads.Job.all >= 2 && count.workloads.Job.done === count.workloads.Job.all, stdout);
  });
