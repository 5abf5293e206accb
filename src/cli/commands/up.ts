/** `glass up`: the whole platform, in the foreground or beside. */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { performance } from 'node:perf_hooks';
import { malloc } from '../../../bin/malloc.mjs';
import { Failure, UsageError } from '../errors.ts';
import { type Places, placesOf } from '../places.ts';
import type { Platform, RunningPlatform, UpOptions } from '../platform.ts';
import { bold, dim, green, say } from '../print.ts';
import { type ServerFlags, serverFilesOf } from '../serverflags.ts';
import { storePlaceOf } from '../storeflag.ts';
import { readRun, removeRun, writeRun } from '../runfile.ts';
import { mergeKubeconfig, unmergeKubeconfig } from '../userkubeconfig.ts';

export interface UpFlags extends ServerFlags {
  detach?: boolean;
  dataDir?: string;
  port: string;
  kubeconfig?: string;
  runtime: string;
  simNodes: string;
  nodes: string;
  nodeIp: string;
  store: string;
}

export async function up(platform: Platform, flags: UpFlags): Promise<void> {
  const places = placesOf(flags.dataDir);
  refuseSecond(places);
  if (flags.detach) return detach(places);
  mkdirSync(places.root, { recursive: true, mode: 0o700 });
  chmodSync(places.root, 0o700);
  const running = await platform.up(optionsOf(platform, places, flags));
  const stopped = toldToStop();
  writeFileSync(places.kubeconfig, running.kubeconfig, { mode: 0o600 });
  if (flags.kubeconfig) copyFileSync(places.kubeconfig, flags.kubeconfig);
  else mergeKubeconfig(places, running.kubeconfig);
  writeRun(places, { port: running.port, runtime: running.runtime, startedAt: new Date().toISOString() });
  say(`${green('ready')} in ${Math.round(performance.now())} ms`);
  if (process.send) process.send('ready');
  hints(running, flags);
  await untilStopped(stopped, places, running, flags);
}

function refuseSecond(places: Places): void {
  const run = readRun(places);
  if (run === undefined) return;
  throw new Failure(
    `a cluster runs from ${places.root} already (process ${run.pid}, port ${run.port}): use it as it is, stop it with "glass down", or give another folder with --data-dir`,
  );
}

function optionsOf(platform: Platform, places: Places, flags: UpFlags): UpOptions {
  const whole = (name: string, value: string, most: number): number => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number > most)
      throw new UsageError(`--${name} ${value}: a whole number from 0 to ${most} is expected`);
    return number;
  };
  if (!['auto', 'oci', 'process', 'sim'].includes(flags.runtime))
    throw new UsageError(`--runtime ${flags.runtime}: choose auto, oci, process or sim`);
  const nodes = whole('nodes', flags.nodes, 8);
  if (nodes < 1) throw new UsageError('--nodes 0: a whole number from 1 to 8 is expected');
  return {
    places,
    port: whole('port', flags.port, 65_535),
    runtime: flags.runtime as UpOptions['runtime'],
    simNodes: whole('sim-nodes', flags.simNodes, 20_000),
    nodes,
    nodeIPs: nodeAddresses(flags.nodeIp, nodes),
    store: storePlaceOf(flags.store),
    files: serverFilesOf(flags),
    log: platform.logTo(places.log),
    report: (part, what) => say(`${part.padEnd(12)} ${what}`),
  };
}

function nodeAddresses(text: string, nodes: number): string[] {
  if (text === '') return [];
  const addresses = text.split(',').map((one) => one.trim());
  for (const one of addresses)
    if (!isIPv4(one)) throw new UsageError(`--node-ip ${text}: "${one}" is not an IPv4 address`);
  if (new Set(addresses).size !== nodes)
    throw new UsageError(`--node-ip ${text}: one address for each node is expected (--nodes ${nodes})`);
  return addresses;
}

function hints(running: RunningPlatform, flags: UpFlags): void {
  const context = flags.kubeconfig ? `--kubeconfig ${flags.kubeconfig} ` : '';
  say('');
  say(`  ${bold(`kubectl ${context}get nodes`)}      ${dim('the cluster, as kubectl sees it')}`);
  say(`  ${bold('npx glass run examples/hello')}   ${dim('a folder becomes a URL')}`);
  say(`  ${bold('npx glass down')}                 ${dim('stop it, and all that runs on it')}`);
  say('');
  if (running.runtime === 'process')
    say(dim('Ctrl-C stops the control plane; what runs on it goes on until "glass down".'));
}

/** Heard before we say that we are ready: whoever stops us at that very moment finds nothing left behind either. */
function toldToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

async function untilStopped(
  stopped: Promise<void>,
  places: Places,
  running: RunningPlatform,
  flags: UpFlags,
): Promise<void> {
  try {
    await Promise.race([stopped, running.failed]);
  } finally {
    removeRun(places);
    if (!flags.kubeconfig) unmergeKubeconfig(places);
    await running.stop();
  }
}

/** Starts the same command beside this one and waits until it is ready. */
async function detach(places: Places): Promise<void> {
  mkdirSync(places.root, { recursive: true, mode: 0o700 });
  const log = openSync(`${places.root}/up.log`, 'w', 0o600);
  const args = process.argv.slice(1).filter((argument) => argument !== '--detach' && argument !== '-d');
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    env: { ...malloc, ...process.env },
    stdio: ['ignore', log, log, 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) =>
      reject(new Failure(`the cluster did not start (exit code ${code}): see ${places.root}/up.log`)),
    );
  });
  child.disconnect();
  child.unref();
  say(`${green('ready')} in ${Math.round(performance.now())} ms`);
  say(dim(`It runs as process ${child.pid}; "glass down" stops it.`));
}
