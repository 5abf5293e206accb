/** `glass sim`: a cluster of simulated nodes, in real or virtual time. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { loadAll } from 'js-yaml';
import { Failure, UsageError } from '../errors.ts';
import { placesOf } from '../places.ts';
import type { ClusterCount, Loaded, Platform, RunningSimulation, SimOptions } from '../platform.ts';
import { bold, dim, green, megabytes, out, say, table } from '../print.ts';

export interface SimFlags {
  dataDir?: string;
  port: string;
  kubeconfig?: string;
  nodes: string;
  podsPerNode: string;
  nodeCpu: string;
  nodeMemory: string;
  stage?: string[];
  load?: string[];
  virtual?: boolean;
  for?: string;
  until?: string;
  pull: string;
  start: string;
  stop: string;
  seed?: string;
  output?: string;
}

export async function sim(platform: Platform, flags: SimFlags): Promise<void> {
  const places = placesOf(flags.dataDir ?? join(process.env.GLASS_HOME ?? join(homedir(), '.glasshouse'), 'sim'));
  const options = optionsOf(platform, flags, places);
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  mkdirSync(places.root, { recursive: true, mode: 0o700 });
  const running = await platform.simulate(options);
  const kubeconfig = flags.kubeconfig ?? places.kubeconfig;
  try {
    writeFileSync(kubeconfig, running.kubeconfig, { mode: 0o600 });
    hints(kubeconfig, options);
    await running.ready();
    say(`${green('ready')} in ${Math.round(performance.now())} ms`);
    await pass(running, options, stopping.signal);
    const count = await running.count();
    if (flags.output === 'json') out(JSON.stringify(count, null, 2));
    else print(count);
  } finally {
    rmSync(kubeconfig, { force: true });
    await running.stop();
  }
}

/** First of all, what to type next. */
function hints(kubeconfig: string, options: SimOptions): void {
  say(`  ${bold(`export KUBECONFIG=${kubeconfig}`)}`);
  say(
    `  ${bold('kubectl create deployment web --image=web:1 --replicas=1000')}   ${dim('it runs nothing, and behaves as if')}`,
  );
  say(`  ${bold('kubectl get pods -o wide -w')}`);
  say('');
  const { cpu, memory, pods } = options.capacity;
  if (options.nodes > 0)
    say(`nodes        ${options.nodes}, each with ${cpu} CPUs, ${memory} of memory and room for ${pods} pods`);
  say(`time         ${options.virtual ? 'virtual: as fast as this machine can' : 'real'}`);
}

async function pass(running: RunningSimulation, { duration }: SimOptions, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const shown = process.stderr.isTTY === true;
  await running.run(signal, (elapsed) => {
    if (!shown) return;
    const times = Math.round(elapsed / (performance.now() - began));
    const of = duration === undefined ? '' : ` of ${durationText(duration)}`;
    process.stderr.write(`\r\u001b[K${durationText(elapsed)}${of} passed, ${times} times real time`);
  });
  if (shown) process.stderr.write('\r\u001b[K');
  const real = performance.now() - began;
  if (duration !== undefined && !signal.aborted)
    say(`time         ${durationText(duration)} passed in ${durationText(real)}`);
}

function print({ milliseconds, nodes, pods, workloads }: ClusterCount): void {
  const phases = Object.entries(pods.phases)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([phase, count]) => `${count} ${phase}`);
  const rows = [
    ['passed', durationText(milliseconds)],
    ['nodes', `${nodes.ready} of ${nodes.all} ready`],
    ['pods', `${pods.ready} of ${pods.all} ready${phases.length > 0 ? `: ${phases.join(', ')}` : ''}`],
    ...Object.entries(workloads)
      .filter(([, { all }]) => all > 0)
      .map(([kind, { all, done }]) => [
        `${kind.toLowerCase()}s`,
        `${done} of ${all} ${kind === 'Job' ? 'complete' : 'as asked for'}`,
      ]),
    ['memory', megabytes(process.memoryUsage().rss)],
  ];
  out(table(rows));
}

const tellLoaded = ({ created, leftOut, refused }: Loaded) => {
  const kinds = [...created].toSorted(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  say(`loaded       ${kinds.join(', ') || 'nothing'}`);
  for (const [why, count] of leftOut) say(dim(`left out     ${count} ${why}`));
  for (const why of refused.slice(0, 10)) say(`refused      ${why}`);
  if (refused.length > 10) say(`refused      and ${refused.length - 10} more`);
};

function optionsOf(platform: Platform, flags: SimFlags, places: SimOptions['places']): SimOptions {
  const recorded = (flags.load ?? []).flatMap((file) => documentsOf('--load', file));
  const standardNodes = recorded.length > 0 ? '0' : '1000';
  const duration = flags.for === undefined ? undefined : milliseconds('--for', flags.for);
  const until = flags.until === undefined ? undefined : timeOf(flags.until);
  if (duration !== undefined && until !== undefined) throw new UsageError('--for and --until: give one of them');
  if (flags.virtual && duration === undefined && until === undefined)
    throw new UsageError('--virtual: say how long, as in --for 24h, or until when with --until');
  return {
    places,
    port: whole('--port', flags.port, 65_535),
    nodes: whole('--nodes', flags.nodes || standardNodes, 20_000),
    capacity: {
      cpu: quantity('--node-cpu', flags.nodeCpu),
      memory: quantity('--node-memory', flags.nodeMemory),
      pods: String(whole('--pods-per-node', flags.podsPerNode, 250)),
      'ephemeral-storage': '1Ti',
    },
    stages: (flags.stage ?? []).flatMap(stagesIn),
    recorded,
    virtual: flags.virtual ?? false,
    duration,
    until,
    timings: {
      pull: range('--pull', flags.pull),
      start: range('--start', flags.start),
      stop: range('--stop', flags.stop),
    },
    seed: flags.seed === undefined ? undefined : whole('--seed', flags.seed, 2 ** 32 - 1),
    log: platform.logTo(places.log),
    report({ loaded, stages }) {
      if (loaded) tellLoaded(loaded);
      if (stages) say(`stages       ${stages}`);
    },
  };
}

function whole(flag: string, value: string, most: number): number {
  if (!/^\d+$/.test(value) || Number(value) > most)
    throw new UsageError(`${flag} ${value}: a whole number from 0 to ${most} is expected`);
  return Number(value);
}

function quantity(flag: string, value: string): string {
  if (!/^\d+(\.\d+)?(m|[kMGTP]|[KMGTP]i)?$/.test(value))
    throw new UsageError(`${flag} ${value}: a quantity is expected, as 32 or 64Gi`);
  return value;
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function milliseconds(flag: string, text: string): number {
  let total = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g, (_, number: string, unit: keyof typeof units) => {
    total += Number(number) * units[unit];
    return '';
  });
  if (rest !== '' || text === '') throw new UsageError(`${flag} ${text}: a duration is expected, as 90s, 1h30m or 7d`);
  return total;
}

/** `2s`, or `1s-5s`. */
function range(flag: string, text: string): [number, number] {
  const [least = '', most = least, ...rest] = text.split('-');
  const made: [number, number] = [milliseconds(flag, least), milliseconds(flag, most)];
  if (rest.length > 0 || made[0] > made[1])
    throw new UsageError(`${flag} ${text}: a duration or two are expected, the shorter one first, as 2s or 1s-5s`);
  return made;
}

function timeOf(text: string): number {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError(`--until ${text}: a time is expected, as 2030-01-31T12:00:00Z`);
  if (time <= Date.now()) throw new UsageError(`--until ${text}: it is later already; simulated time begins now`);
  return time;
}

/** Of a file, of all YAML files of a folder, or of standard input for `-`. */
function documentsOf(flag: string, file: string): unknown[] {
  if (file !== '-' && isFolder(flag, file))
    return readdirSync(file)
      .filter((name) => /\.(ya?ml|json)$/.test(name))
      .toSorted()
      .flatMap((name) => documentsOf(flag, join(file, name)));
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  try {
    return text.trimStart().startsWith('{') ? [JSON.parse(text)] : (loadAll(text) as unknown[]);
  } catch (error) {
    throw new Failure(
      `${flag} ${file}: it is neither YAML nor JSON: ${(error as Error).message.split('\n')[0]}`,
      error,
    );
  }
}

function stagesIn(file: string): SimOptions['stages'] {
  const found = documentsOf('--stage', file).filter((one) => one !== null) as SimOptions['stages'];
  if (!found.some(({ kind }) => kind === 'Stage' || kind === 'StageList' || kind === 'List'))
    throw new UsageError(`--stage ${file}: there is no Stage (kwok.x-k8s.io/v1alpha1) in it`);
  return found;
}

function isFolder(flag: string, file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch (error) {
    throw new Failure(
      `${flag} ${file}: it cannot be read (${(error as NodeJS.ErrnoException).code}): is the path right?`,
      error,
    );
  }
}

function durationText(value: number): string {
  if (value < 1_000) return `${Math.round(value)} ms`;
  const seconds = Math.round(value / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
