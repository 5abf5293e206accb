/** `glass run DIR`: code to URL. Again: a rolling release. */
import { watch } from 'node:fs';
import { basename, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deployments, pods, services, type Service } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { Failure, UsageError } from '../errors.ts';
import { placesOf } from '../places.ts';
import type { Platform } from '../platform.ts';
import { dim, out, say } from '../print.ts';
import { readRun } from '../runfile.ts';
import { deploymentFor, serviceFor } from './runobjects.ts';

export interface RunFlags {
  name?: string;
  port?: string;
  env?: string[];
  replicas?: string;
  base?: string;
  watch?: boolean;
  dataDir?: string;
  timeout: string;
}

export async function run(platform: Platform, directory: string, flags: RunFlags): Promise<void> {
  const places = placesOf(flags.dataDir);
  if (readRun(places) === undefined)
    throw new Failure(`no cluster runs from ${places.root}: start one with "glass up"`);
  const client = await platform.connect(places.kubeconfig);
  await release(platform, client, directory, flags);
  if (!flags.watch) return;
  say(dim(`watching ${resolve(directory)}: every save is a release; Ctrl-C ends it`));
  for await (const _ of saves(directory))
    await release(platform, client, directory, flags).catch((error: Error) => say(`not released: ${error.message}`));
}

async function release(platform: Platform, client: Client, directory: string, flags: RunFlags): Promise<void> {
  const name = flags.name ?? nameOf(directory);
  const images = await platform.images(placesOf(flags.dataDir));
  const built = await images.build({
    context: resolve(directory),
    name: `glasshouse.local/${name}:latest`,
    base: flags.base,
    progress: (line) => say(dim(line)),
  });
  const port = flags.port === undefined ? built.port : Number(flags.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError(`--port ${flags.port}: a port number is expected`);
  const replicas = flags.replicas === undefined ? undefined : Number(flags.replicas);
  if (replicas !== undefined && !(Number.isInteger(replicas) && replicas >= 0))
    throw new UsageError(`--replicas ${flags.replicas}: a whole number is expected`);
  const app = { name, image: built.name, imageId: built.id, port, replicas, env: (flags.env ?? []).map(envOf) };
  const manager = { fieldManager: 'glass-run', force: true };
  const deployed = await client.apply(deployments, deploymentFor(app), manager);
  const service = await client.apply(services, serviceFor(app), manager);
  const deadline = Date.now() + Number(flags.timeout) * 1000;
  await untilReleased(client, name, deployed.metadata.generation ?? 1, deadline);
  const url = `http://127.0.0.1:${nodePortOf(service)}`;
  await untilAnswers(url, deadline);
  out(url);
}

function nameOf(directory: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 50);
  if (!/^[a-z]/.test(name))
    throw new UsageError(`no name can be made of ${JSON.stringify(directory)}: give one with --name`);
  return name;
}

function envOf(pair: string): { name: string; value: string } {
  const split = pair.indexOf('=');
  if (split < 1) throw new UsageError(`--env ${pair}: NAME=VALUE is expected`);
  return { name: pair.slice(0, split), value: pair.slice(split + 1) };
}

function nodePortOf(service: Service): number {
  const port = service.spec.ports?.[0]?.nodePort;
  if (port === undefined) throw new Failure('the Service was given no node port');
  return port;
}

async function untilReleased(client: Client, name: string, generation: number, deadline: number): Promise<void> {
  for (;;) {
    const { spec, status } = await client.get(deployments, { namespace: 'default', name });
    const wanted = spec.replicas ?? 1;
    const done =
      (status?.observedGeneration ?? 0) >= generation &&
      (status?.updatedReplicas ?? 0) === wanted &&
      (status?.availableReplicas ?? 0) >= wanted &&
      (status?.replicas ?? 0) === wanted;
    if (done) return;
    if (Date.now() > deadline) throw new Failure(`${name} was not ready in time: ${await reasonOf(client, name)}`);
    await sleep(25);
  }
}

/** What its newest pod says is wrong. */
async function reasonOf(client: Client, name: string): Promise<string> {
  const { items } = await client.list(pods, { namespace: 'default', labelSelector: `app=${name}` });
  const newest = items.toSorted((a, b) =>
    String(b.metadata.creationTimestamp).localeCompare(String(a.metadata.creationTimestamp)),
  )[0];
  if (newest === undefined) return 'it has no pods yet';
  const waiting = newest.status?.containerStatuses?.[0]?.state?.waiting;
  const ended = newest.status?.containerStatuses?.[0]?.lastState?.terminated;
  const log = `see "kubectl logs ${newest.metadata.name}"`;
  if (ended) return `its program ended with exit code ${ended.exitCode}; ${log}`;
  if (waiting) return `${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''}`;
  return `pod ${newest.metadata.name} is ${newest.status?.phase ?? 'Pending'}; ${log}`;
}

async function untilAnswers(url: string, deadline: number): Promise<void> {
  for (;;) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
      await answer.body?.cancel();
      return;
    } catch {
      if (Date.now() > deadline)
        throw new Failure(`${url} does not answer: does the program listen on the port that PORT names?`);
      await sleep(20);
    }
  }
}

/** One item for each burst of changes. */
async function* saves(directory: string): AsyncGenerator<void> {
  let changed = Promise.withResolvers<void>();
  const ignored = /(^|\/)(node_modules|\.git)(\/|$)/;
  watch(directory, { recursive: true }, (_event, file) => {
    if (file === null || !ignored.test(file)) changed.resolve();
  });
  for (;;) {
    await changed.promise;
    await sleep(150);
    changed = Promise.withResolvers<void>();
    yield;
  }
}
