/** Well-known charts, each installed, upgraded, rolled back and removed by stock helm. See ../README.md. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Choice, chosenOf, isSkipped, record } from '../score.ts';
import { within } from '../within.ts';
import { type Chart, copyWhole, fetchCharts, metadataOf } from './charts.ts';
import { customResourceDefinitionsOf, hookNamesOf, isOfHook, sharedNames, type Turns, turns } from './claims.ts';
import { places } from './places.ts';

/** A cluster whose nodes are simulated: no image of a chart has to be there. */
async function simulated(home: string): Promise<{ kubeconfig: string; stop(): void }> {
  const program = fileURLToPath(new URL('../../../src/cmd/glass.ts', import.meta.url));
  const args = [program, 'sim', '--nodes', '10', '--pull', '10ms', '--start', '10ms'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, GLASS_HOME: home, HOME: home },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (part) => {
      if ((said += part).includes('ready in')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`glass sim ended with ${code}: ${said}`)));
  });
  return { kubeconfig: join(home, 'sim/kubeconfig'), stop: () => void child.kill('SIGINT') };
}

interface Told {
  code: number;
  /** What it said on both. */
  text: string;
  output: string;
}

type Run = (program: string, args: string[]) => Promise<Told>;

/** What is left in a namespace that no controller has put there. */
const leftovers =
  'pods,services,deployments,statefulsets,daemonsets,jobs,cronjobs,secrets,ingresses,roles,rolebindings';

/** What kept it from passing; '': nothing did. */
async function tryOut(
  chart: Chart,
  charts: readonly Chart[],
  scratch: string,
  run: Run,
  seconds: number,
  cluster: { readonly clusterKinds: ReadonlySet<string>; readonly turns: Turns },
): Promise<string> {
  const folder = join(scratch, chart.title.replace('/', '-'));
  const missing = copyWhole(chart.folder, folder, charts);
  if (missing !== undefined) return `skipped: it depends on ${missing}, which none of the repositories has`;
  // short: charts cut names that have it in them, and two of them are the same then
  const namespace = `try-${charts.indexOf(chart)}`;
  const at = ['--namespace', namespace];
  const wait = ['--wait', '--timeout', `${seconds}s`];
  const rendered = await run(places.helm, [
    'template',
    'it',
    folder,
    ...at,
    '--kube-version',
    '1.36',
    '--include-crds',
  ]);
  if (rendered.code !== 0) return `skipped: it asks for values: ${lastLine(rendered.text)}`;
  const hooks = hookNamesOf(rendered.output);
  const claims = sharedNames(rendered.output, namespace, cluster.clusterKinds);
  using _ = await cluster.turns(claims);
  const steps: [string, string[]][] = [
    ['install', ['install', 'it', folder, ...at, '--create-namespace', ...wait]],
    ['upgrade', ['upgrade', 'it', folder, ...at, ...wait]],
    ['rollback', ['rollback', 'it', '1', ...at, ...wait]],
    ['uninstall', ['uninstall', 'it', ...at, ...wait]],
  ];
  let log = '';
  let why = '';
  for (const [step, args] of steps) {
    const told = await run(places.helm, args);
    log += `== ${step}\n${told.text}\n`;
    if (told.code === 0) continue;
    if (told.text.includes('PASSWORDS ERROR')) why = `skipped: its ${step} asks for the passwords that it made`;
    else if (told.text.includes('ensure CRDs are installed first'))
      why = `skipped: it brings custom resources that another chart defines: ${lastLine(told.text)}`;
    else why = `${step}: ${lastLine(told.text)}`;
    if (!isSkipped(why)) log += (await run('kubectl', ['get', 'all,events', ...at])).text;
    await run(places.helm, ['uninstall', 'it', ...at, '--no-hooks']);
    break;
  }
  if (why === '') {
    const left = await run('kubectl', ['get', leftovers, ...at, '-o', 'name', '-l', 'app.kubernetes.io/instance=it']);
    const names = left.output.split('\n').filter((name) => name !== '' && !isOfHook(name, hooks));
    if (names.length > 0) why = `left behind: ${names.join(', ')}`;
  }
  // helm never removes what a chart has under crds/
  const definitions = customResourceDefinitionsOf(rendered.output);
  if (definitions.length > 0) await run('kubectl', ['delete', '--ignore-not-found', '--timeout=60s', ...definitions]);
  await run('kubectl', ['delete', 'namespace', namespace, '--timeout=60s']);
  writeFileSync(join(places.logs, `${chart.title.replace('/', '-')}.log`), log);
  rmSync(folder, { recursive: true, force: true });
  return why;
}

/** As a cloud does to Services that ask for a load balancer; helm waits for it. */
async function giveAddresses(run: Run): Promise<void> {
  const services = await run('kubectl', ['get', 'services', '-A', '-o', 'json']);
  if (services.code !== 0) return;
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  for (const { metadata, spec, status: known } of JSON.parse(services.output).items) {
    if (spec.type !== 'LoadBalancer' || known.loadBalancer?.ingress) continue;
    const at = [metadata.name, '--namespace', metadata.namespace, '--subresource', 'status', '--type', 'merge'];
    await run('kubectl', ['patch', 'service', ...at, '--patch', JSON.stringify({ status })]);
  }
}

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').slice(0, 300);
}

interface ChartOptions extends Choice {
  /** As long as any one step may take. */
  readonly seconds: number;
  /** Charts at the same time. */
  readonly workers: number;
}

export function runCharts(options: ChartOptions): Promise<boolean> {
  return within(
    () => void fetchCharts(),
    () => tryCharts(options),
  );
}

async function tryCharts({ seconds, workers, ...choice }: ChartOptions): Promise<boolean> {
  mkdirSync(places.logs, { recursive: true });
  const charts = fetchCharts();
  const all = charts.filter(({ folder }) => metadataOf(folder).type !== 'library');
  const titles = all.map(({ title }) => title);
  const chosen = new Set(chosenOf('charts', titles, choice));
  const wanted = all.filter(({ title }) => chosen.has(title));
  console.log(`${wanted.length} charts; logs in ${places.logs}`);
  const scratch = mkdtempSync(join(tmpdir(), 'charts-'));
  const cluster = await simulated(scratch);
  process.once('exit', cluster.stop);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const env = { PATH: process.env.PATH, HOME: scratch, KUBECONFIG: cluster.kubeconfig };
  const run: Run = (program, args) =>
    new Promise((resolve) =>
      execFile(program, args, { env, timeout: (seconds + 30) * 1000, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, text: stdout + stderr, output: stdout }),
      ),
    );
  const kinds = await run('kubectl', ['api-resources', '--namespaced=false', '--no-headers']);
  const clusterKinds = new Set(kinds.output.split('\n').map((line) => line.trim().split(/\s+/).at(-1)!));
  const shared = { clusterKinds, turns: turns() };
  let over = false;
  const cloud = (async () => {
    for (; !over; await setTimeout(1000)) await giveAddresses(run);
  })();
  const results = new Map<string, string>();
  const working = Array.from({ length: workers }, async () => {
    for (let chart = wanted.shift(); chart !== undefined; chart = wanted.shift()) {
      const began = performance.now();
      // what a chart renders may be nothing that can be read here
      const why = await tryOut(chart, charts, scratch, run, seconds, shared).catch((error: Error) => error.message);
      results.set(chart.title, why);
      const word = why === '' ? 'passed' : isSkipped(why) ? 'skipped' : 'FAILED';
      const took = ((performance.now() - began) / 1000).toFixed(0).padStart(4);
      console.log(`${word.padEnd(7)} ${took} s  ${chart.title}${why && `: ${why}`}`);
      record('charts', 'charts of their authors by helm 3', titles, results);
    }
  });
  await Promise.all(working);
  over = true;
  await cloud;
  cluster.stop();
  rmSync(scratch, { recursive: true, force: true });
  return [...results.values()].every((why) => why === '' || isSkipped(why));
}
